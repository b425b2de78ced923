import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ERRORS, RouterError, type ErrorCode } from "../errors.ts";
import { renderLlamaCppError } from "./llamacpp/index.ts";
import { renderError } from "./openai/errors.ts";

interface Rendered {
  readonly status: number;
  readonly body: unknown;
}

/** How each dialect says an error, and where our code stands in its body. */
const DIALECTS: Readonly<Record<string, { render: (error: unknown, redact?: (text: string) => string) => Rendered; codeAt: string }>> = {
  openai: { render: renderError, codeAt: "error.code" },
  llamacpp: { render: renderLlamaCppError, codeAt: "error.reason" },
};

const CODES = Object.keys(ERRORS) as ErrorCode[];

test("every dialect with errors of its own is in this table", () => {
  const folders = readdirSync(import.meta.dirname).filter((name) => existsSync(join(import.meta.dirname, name, "errors.ts")));
  expect(Object.keys(DIALECTS).toSorted()).toEqual(folders.toSorted());
});

describe.each(Object.entries(DIALECTS))("the dialect %s", (_name, { render, codeAt }) => {
  test.each(CODES)("says %s with a status, its code, its text and what to do, all of it redacted for strangers", (code) => {
    const error = new RouterError(code, "what failed in /home/secret", { hint: "What to do", cause: new Error("cause of it") });
    const { status, body } = render(error);
    expect(status).toBeWithin(400, 600);
    expect(body).toHaveProperty(codeAt, code.toLowerCase());
    const text = JSON.stringify(body);
    expect(text).toContain("what failed in /home/secret. What to do");
    expect(text).not.toContain("cause of it");
    expect(JSON.stringify(render(error, (message) => message.replace("/home/secret", "…")).body)).not.toContain("secret");
  });

  test("keeps to itself what an error that is not ours says", () => {
    const { status, body } = render(new TypeError("x is not a function at /home/secret"));
    expect(status).toBe(500);
    expect(body).toHaveProperty(codeAt, "internal");
    expect(JSON.stringify(body)).not.toContain("secret");
  });
});
