import { expect, test } from "bun:test";
import { InvalidOptionsError } from "./errors.ts";
import { parseOptions, resolveOptions } from "./options.ts";

const MINIMAL = { model: "/models/a.gguf", alias: "a", executable: "/bin/llama-server" };

const refusal = (input: unknown): InvalidOptionsError => {
  try {
    parseOptions(input);
  } catch (error) {
    if (error instanceof InvalidOptionsError) return error;
  }
  throw new Error("The options were accepted");
};

test.each(["model", "alias", "executable"])("%s is required and named when it is missing", (field) => {
  const error = refusal({ ...MINIMAL, [field]: undefined });
  expect(error).toMatchObject({ field, code: "builder_error-uninitialized_field", args: { var_0: field } });
  const { [field]: _missing, ...rest } = MINIMAL as Record<string, string>;
  expect(refusal(rest)).toMatchObject({ field, code: "builder_error-uninitialized_field" });
});

test.each([
  ["port", 0, "port: it is below 1"],
  ["port", 65_536, "port: it is above 65535"],
  ["port", 80.5, "port: it is no whole number"],
  ["port", "8080", 'port: it is "8080", not number'],
  ["alias", "", "alias: it is empty"],
  ["host", "/run/llama.sock", "host: Unix sockets are not supported"],
  ["extraArgs", "--name 'x", "extraArgs: A quote (') is not closed"],
  ["embedding", true, "embedding: there is no such option; is embeddings meant?"],
  ["zzz", true, "zzz: there is no such option"],
])("%s with the value %p is refused", (field, value, text) => {
  const error = refusal({ ...MINIMAL, [field]: value });
  expect(error).toMatchObject({ field, code: "builder_error-validation_error", status: 400 });
  expect(error.args["var_0"]).toStartWith(text);
});

test("a wrong value deep inside is named by its path", () => {
  expect(refusal({ ...MINIMAL, env: { HOME: 7 } }).field).toBe("env.HOME");
  expect(refusal({ ...MINIMAL, args: ["--seed", 42] }).field).toBe("args.1");
  expect(refusal("no object").field).toBe("options");
});

test("resolving applies every default and picks a free port that stays", async () => {
  const resolved = await resolveOptions(MINIMAL);
  expect(resolved.port).toBeWithin(1, 65_536);
  expect(resolved).toEqual({
    ...MINIMAL,
    apiKey: undefined,
    host: undefined,
    cwd: undefined,
    recordsDir: undefined,
    port: resolved.port,
    embeddings: true,
    args: [],
    env: {},
  });
});

test("the port is 8080 when the system gives none", async () => {
  // An address of the documentation range: no machine has it, so nothing can be bound there.
  expect((await resolveOptions({ ...MINIMAL, host: "192.0.2.1" })).port).toBe(8080);
});

test("words and lines of further arguments are put together in this order", async () => {
  const { args } = await resolveOptions({ ...MINIMAL, args: ["--a b", "--seed"], extraArgs: `42 --name "two words"  ` });
  expect(args).toEqual(["--a b", "--seed", "42", "--name", "two words"]);
});
