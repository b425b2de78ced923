import { expect, test } from "bun:test";
import { RouterError } from "../errors.ts";
import type { ModelEntry } from "./model-entry.ts";
import type { ModelId } from "./model-id.ts";
import { planPull, registrationFields, type PullRequest } from "./plan-pull.ts";

const PHI: ModelEntry = {
  id: "user.Phi" as ModelId,
  checkpoint: "unsloth/Phi-4-mini-instruct-GGUF:Q4_K_M",
  recipe: "llamacpp",
  labels: ["custom", "reasoning"],
  source: "user",
  suggested: true,
  mmproj: "mmproj-F16.gguf",
};

function refusal(request: PullRequest, known?: ModelEntry): RouterError {
  try {
    planPull(request, known);
  } catch (error) {
    if (error instanceof RouterError) return error;
  }
  throw new Error("it was accepted");
}

test("a known model is pulled again with equal or absent settings", () => {
  expect(planPull({ model: "user.Phi" }, PHI)).toEqual({ entry: PHI, isNew: false });
  const equal = { checkpoint: `hf.co/${PHI.checkpoint}`, recipe: "llamacpp", reasoning: true, mmproj: "mmproj-F16.gguf", vision: false };
  expect(planPull({ model: "user.Phi", ...equal }, PHI).isNew).toBe(false);
});

test("every setting that differs is named, with both values", () => {
  const error = refusal(
    { model: "user.Phi", checkpoint: "other/repo-GGUF:Q8_0", recipe: "flm", mmproj: "x.gguf", vision: true, reranking: true },
    PHI,
  );
  expect(error.code).toBe("MODEL_ALREADY_REGISTERED");
  expect(error.message).toContain("already registered with a different configuration");
  expect(error.message).toContain("checkpoint is unsloth/Phi-4-mini-instruct-GGUF:Q4_K_M, not other/repo-GGUF:Q8_0");
  expect(error.message).toContain("recipe is llamacpp, not flm");
  expect(error.message).toContain("mmproj is mmproj-F16.gguf, not x.gguf");
  expect(error.message).toContain("vision is not set; reranking is not set");
  expect(error.hint).toContain("lemonade delete user.Phi");
});

test("a new model needs the user namespace, a checkpoint, a recipe and a variant", () => {
  const wanted = { checkpoint: "o/r-GGUF:Q4_0", recipe: "llamacpp" };
  expect(refusal({ model: "nothing" }).code).toBe("MODEL_NOT_FOUND");
  expect(refusal({ model: "Phi", ...wanted }).message).toContain("user namespace");
  expect(refusal({ model: "user.", ...wanted }).message).toContain("lacks what comes behind the dot");
  expect(refusal({ model: "user.Phi", recipe: "llamacpp" }).message).toContain("both a checkpoint and a recipe");
  expect(refusal({ model: "user.Phi", checkpoint: "o/r" }).message).toContain("both a checkpoint and a recipe");
  expect(refusal({ model: "user.Phi", checkpoint: "o/r-gguf", recipe: "llamacpp" }).message).toContain("names no variant");
  expect(refusal({ model: "user.Phi", checkpoint: "https://hf.co/o/r-GGUF", recipe: "llamacpp" }).message).toContain("names no variant");
});

test("a recipe that no registry knows is refused with the close one and the list", () => {
  const error = refusal({ model: "user.Phi", checkpoint: "o/r-GGUF:Q4_0", recipe: "lamacpp" });
  expect(error).toMatchObject({ code: "INVALID_REQUEST", message: 'There is no recipe "lamacpp"' });
  expect(error.hint).toBe("Did you mean llamacpp? The recipes are llamacpp, flm, oga-cpu, oga-hybrid, oga-npu, oga-igpu.");
  expect(refusal({ model: "user.Phi", checkpoint: "o/r", recipe: "zzz" }).hint).toStartWith("The recipes are llamacpp");
});

test("a name with a slash, a path that depends on a folder, and two uses at once are refused", () => {
  const wanted = { model: "user.Phi", checkpoint: "o/r-GGUF:Q4_0", recipe: "llamacpp" };
  expect(refusal({ ...wanted, model: "user.a/b" })).toMatchObject({ code: "INVALID_REQUEST", hint: "Name it user.a-b." });
  expect(refusal({ ...wanted, checkpoint: "./mine.gguf" })).toMatchObject({ code: "INVALID_REQUEST", hint: "Write the absolute path." });
  expect(refusal({ ...wanted, checkpoint: "..\\mine.gguf" }).hint).toBe("Write the absolute path.");
  expect(refusal({ ...wanted, embeddings: true, reranking: true }).message).toContain("cannot be registered for both");
});

test("a new model is registered under its name with the labels that were asked for", () => {
  const plan = planPull(
    { model: "user.New", checkpoint: "o/r-GGUF:Q4_0", recipe: "llamacpp", vision: true, embeddings: true, mmproj: "" },
    undefined,
  );
  expect(plan.isNew).toBe(true);
  expect(registrationFields(plan.entry)).toEqual({
    checkpoint: "o/r-GGUF:Q4_0",
    recipe: "llamacpp",
    suggested: true,
    labels: ["custom", "vision", "embeddings"],
  });
  expect(planPull({ model: "user.Tag", checkpoint: "llama3.2:1b", recipe: "flm" }, undefined).entry.checkpoint).toBe("llama3.2:1b");
  expect(planPull({ model: "user.File", checkpoint: "/models/my.gguf", recipe: "llamacpp" }, undefined).isNew).toBe(true);
});
