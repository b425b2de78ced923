import { describe, expect, test } from "bun:test";
import { detectToolSyntax, type CallPart, type SyntaxProbe } from "./tool-syntax.ts";

interface Call {
  readonly id: string;
  readonly function: { readonly name: string; readonly arguments: Record<string, string> | string };
}
interface Message {
  readonly role: string;
  readonly content: string;
  readonly tool_calls?: readonly Call[];
}

/** A template as a function of one assistant message, in the manner of ChatML. */
function probe(writeCalls: (calls: readonly Call[]) => string, end = "<|im_end|>"): SyntaxProbe {
  return {
    isEndOfAnswer: (tag) => tag === end,
    render: (messages) => {
      try {
        return (messages as readonly Message[])
          .map(
            (message) =>
              `<|im_start|>${message.role}\n${message.content}${message.tool_calls ? writeCalls(message.tool_calls) : ""}${end}\n`,
          )
          .join("");
      } catch {
        return undefined;
      }
    },
  };
}

/** JSON as Jinja's `tojson` writes it. */
const tojson = (value: unknown): string => JSON.stringify(value).replaceAll(/([:,])(?=["{[])/g, "$1 ");

const show = (call: readonly CallPart[]): string =>
  call
    .map((part) => (part.kind === "literal" ? part.text : part.kind === "tagged-arguments" ? "TAGGED" : part.kind.toUpperCase()))
    .join("");

describe("the syntax of tool calls is found by rendering a template:", () => {
  test("tags around JSON, as Hermes and Qwen write them", () => {
    const found = detectToolSyntax(
      probe((calls) =>
        calls
          .map((call) => `<tool_call>\n{"name": "${call.function.name}", "arguments": ${tojson(call.function.arguments)}}\n</tool_call>`)
          .join("\n"),
      ),
    );
    expect(found).toMatchObject({ start: "", separator: "\n", end: "", argumentsAs: "object" });
    expect(show(found?.call ?? [])).toBe('<tool_call>\n{"name": "NAME", "arguments": ARGUMENTS}\n</tool_call>');
  });

  test("a list after a tag with ids, as Mistral writes it", () => {
    const found = detectToolSyntax(
      probe((calls) => {
        const list = calls.map(
          (call) => `{"name": "${call.function.name}", "arguments": ${tojson(call.function.arguments)}, "id": "${call.id}"}`,
        );
        return `[TOOL_CALLS][${list.join(", ")}]`;
      }),
    );
    expect(found).toMatchObject({ start: "[TOOL_CALLS][", separator: ", ", end: "]" });
    expect(show(found?.call ?? [])).toBe('{"name": "NAME", "arguments": ARGUMENTS, "id": "ID"}');
  });

  test("one bare JSON object and no more, as Llama 3 writes it", () => {
    const found = detectToolSyntax(
      probe((calls) => {
        if (calls.length > 1) throw new Error("This model only supports single tool-calls at once!");
        return calls.map((call) => `{"name": "${call.function.name}", "parameters": ${tojson(call.function.arguments)}}`).join("");
      }),
    );
    expect(found).toMatchObject({ start: "", separator: undefined, end: "" });
    expect(show(found?.call ?? [])).toBe('{"name": "NAME", "parameters": ARGUMENTS}');
  });

  test("name and arguments behind tags of their own, as newer Mistral models write them", () => {
    const found = detectToolSyntax(
      probe((calls) => calls.map((call) => `[TOOL_CALLS]${call.function.name}[ARGS]${tojson(call.function.arguments)}`).join("")),
    );
    expect(found).toMatchObject({ start: "", separator: "", end: "" });
    expect(show(found?.call ?? [])).toBe("[TOOL_CALLS]NAME[ARGS]ARGUMENTS");
  });

  test("arguments between tags, as Qwen3-Coder writes them", () => {
    const found = detectToolSyntax(
      probe((calls) =>
        calls
          .map(({ function: { name, arguments: args } }) => {
            if (typeof args === "string") throw new Error("Can only get item pairs from a mapping.");
            const written = Object.entries(args).map(([key, value]) => `<parameter=${key}>\n${value}\n</parameter>`);
            return `<tool_call>\n<function=${name}>\n${written.join("\n")}\n</function>\n</tool_call>`;
          })
          .join("\n"),
      ),
    );
    expect(show(found?.call ?? [])).toBe("<tool_call>\n<function=NAME>\nTAGGED\n</function>\n</tool_call>");
    expect(found?.call.find((part) => part.kind === "tagged-arguments")).toMatchObject({
      tags: { beforeName: "<parameter=", beforeValue: ">\n", afterValue: "\n</parameter>", separator: "\n" },
    });
  });

  test("running numbers are told from the rest of the text", () => {
    const found = detectToolSyntax(
      probe((calls) =>
        calls.map((call, i) => `<|call|>functions.${call.function.name}:${i}<|args|>${tojson(call.function.arguments)}<|end|>`).join(""),
      ),
    );
    expect(show(found?.call ?? [])).toBe("<|call|>functions.NAME:INDEX<|args|>ARGUMENTS<|end|>");
  });

  test("arguments as text, where a template inserts them as they are", () => {
    const python = (args: unknown): string => JSON.stringify(args).replaceAll('"', "'");
    const found = detectToolSyntax(
      probe((calls) =>
        calls
          .map(({ function: { name, arguments: args } }) => `<call>${name}:${typeof args === "string" ? args : python(args)}</call>`)
          .join(""),
      ),
    );
    expect(found?.argumentsAs).toBe("text");
    expect(show(found?.call ?? [])).toBe("<call>NAME:ARGUMENTS</call>");
  });

  test("the token that ends the answer belongs to no call", () => {
    const found = detectToolSyntax(
      probe(
        (calls) => calls.map((call) => `<f=${call.function.name}>${tojson(call.function.arguments)}</f>`).join("") + "<|eom|>",
        "<|eom|>",
      ),
    );
    expect(found).toMatchObject({ end: "" });
    expect(show(found?.call ?? [])).toBe("<f=NAME>ARGUMENTS</f>");
  });

  test("a template that leaves calls out, or refuses them, has none", () => {
    expect(detectToolSyntax(probe(() => ""))).toBeUndefined();
    const refusing = probe(() => {
      throw new Error("no tools here");
    });
    expect(detectToolSyntax(refusing)).toBeUndefined();
  });
});
