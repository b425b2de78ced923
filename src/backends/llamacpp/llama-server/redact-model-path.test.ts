import { expect, test } from "bun:test";
import { redactModelPath } from "./redact-model-path.ts";

test.each([
  ["/home/me/.cache/huggingface/hub/models--org--name/model.gguf", "$HF_HOME/hub/models--org--name/model.gguf"],
  ["/a/huggingface/b/huggingface/c.gguf", "$HF_HOME/b/huggingface/c.gguf"],
  [String.raw`C:\Users\me\.cache\huggingface\hub\model.gguf`, String.raw`$HF_HOME/hub\model.gguf`],
  ["/models/model.gguf", "/models/model.gguf"],
  ["/models/my-huggingface/model.gguf", "/models/my-huggingface/model.gguf"],
])("%s is shown as %s", (path, shown) => {
  expect(redactModelPath(path)).toBe(shown);
});

test("the folder that HF_HOME names is hidden, too", () => {
  expect(redactModelPath("/data/me/hub/model.gguf", { HF_HOME: "/data/me/" })).toBe("$HF_HOME/hub/model.gguf");
  expect(redactModelPath("/data/me-too/model.gguf", { HF_HOME: "/data/me" })).toBe("/data/me-too/model.gguf");
});
