import { describe, expect, test } from "bun:test";
import { RouterError } from "../errors.ts";
import { boundaryOf, readMultipart } from "./multipart.ts";

async function* pieces(bytes: Uint8Array, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes);
}

/** Every part with its whole content as text. */
async function read(body: AsyncIterable<Uint8Array>, boundary: string): Promise<(readonly [string, string | undefined, string])[]> {
  const parts: (readonly [string, string | undefined, string])[] = [];
  for await (const { name, fileName, content } of readMultipart(body, boundary)) {
    const chunks: Uint8Array[] = [];
    for await (const piece of content) chunks.push(piece.slice());
    parts.push([name, fileName, Buffer.concat(chunks).toString("latin1")]);
  }
  return parts;
}

/** A form as a browser writes it. */
async function encode(form: FormData): Promise<{ bytes: Uint8Array; boundary: string }> {
  const response = new Response(form);
  const boundary = boundaryOf(response.headers.get("content-type"));
  return { bytes: new Uint8Array(await response.arrayBuffer()), boundary };
}

test("a form is read alike, wherever its bytes are cut", async () => {
  const form = new FormData();
  form.set("model_name", "user.Zitröne");
  form.set("empty", "");
  form.append("model_files", new Blob(["\r\n--", "\r\n-----", "\0\xff\r\r\n\n"]), "Folder/sub/a.gguf");
  form.append("model_files", new Blob([]), 'Folder/quote".gguf');
  const { bytes, boundary } = await encode(form);
  const expected = await read(pieces(bytes, bytes.length), boundary);
  expect(expected.map(([name, fileName]) => [name, fileName])).toEqual([
    ["model_name", undefined],
    ["empty", undefined],
    ["model_files", "Folder/sub/a.gguf"],
    ["model_files", 'Folder/quote".gguf'],
  ]);
  expect(Buffer.from(expected[0]![2], "latin1").toString()).toBe("user.Zitröne");
  expect(Buffer.from(expected[2]![2], "latin1")).toEqual(Buffer.from(await (form.getAll("model_files")[0] as Blob).arrayBuffer()));
  for (let size = 1; size <= 80; size++) expect(await read(pieces(bytes, size), boundary)).toEqual(expected);
  for (let cut = 1; cut < bytes.length; cut++) {
    const two = async function* () {
      yield bytes.subarray(0, cut);
      yield bytes.subarray(cut);
    };
    expect(await read(two(), boundary)).toEqual(expected);
  }
});

test("contents full of beginnings of the boundary come through", async () => {
  const boundary = "----aaa";
  const content = `${"\r\n------aa".repeat(500)}\r\n--`;
  const body = Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n${content}\r\n--${boundary}--\r\nepilogue`);
  for (const size of [1, 3, 7, 11, 64, 10_000]) expect(await read(pieces(body, size), boundary)).toEqual([["a", undefined, content]]);
});

test("a part that nobody reads is skipped, and so is a preamble", async () => {
  const text =
    'preamble\r\n--x \r\ncontent-disposition: form-data; filename="f"; name="a"\r\n\r\nlong\r\n--x\r\nContent-Disposition:form-data;name="b"\r\nX: y\r\n\r\n2\r\n--x--';
  const names: string[] = [];
  for await (const { name, fileName } of readMultipart(pieces(Buffer.from(`${text}\r\n`), 5), "x")) names.push(`${name} ${fileName}`);
  expect(names).toEqual(["a f", "b undefined"]);
});

test("a large file passes in pieces: what is held back is shorter than the boundary", async () => {
  const sizeBytes = 64 * 2 ** 20;
  const piece = new Uint8Array(2 ** 16);
  let largest = 0;
  let read = 0;
  const body = async function* () {
    yield Buffer.from('--x\r\nContent-Disposition: form-data; name="f"; filename="big"\r\n\r\n');
    for (let sent = 0; sent < sizeBytes; sent += piece.length) yield piece;
    yield Buffer.from("\r\n--x--\r\n");
  };
  for await (const { content } of readMultipart(body(), "x")) {
    for await (const part of content) {
      largest = Math.max(largest, part.length);
      read += part.length;
    }
  }
  expect(read).toBe(sizeBytes);
  expect(largest).toBeLessThan(2 ** 16 + 100);
});

describe("a damaged form is refused:", () => {
  const head = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n';
  const cases: Readonly<Record<string, string>> = {
    "one that ends in a part": `${head}text`,
    "one that ends in a delimiter": `${head}text\r\n--x`,
    "one without any part": "nothing",
    "a part without a name": "--x\r\nContent-Disposition: form-data\r\n\r\ntext\r\n--x--\r\n",
    "a part without headers": "--x\r\n\r\ntext\r\n--x--\r\n",
    "a delimiter that goes on": `--xyz\r\n\r\ntext\r\n--x--\r\n`,
    "endless headers": `--x\r\n${"A: b\r\n".repeat(10_000)}`,
    "an endless header": `--x\r\nA: ${"b".repeat(100_000)}`,
  };
  for (const [name, text] of Object.entries(cases)) {
    test(name, async () => {
      for (const size of [1, 1000]) {
        const outcome: unknown = await read(pieces(Buffer.from(text), size), "x").catch((error: unknown) => error);
        expect(outcome).toBeInstanceOf(RouterError);
      }
    });
  }
});

test("the boundary is read from any way of writing it", () => {
  expect(boundaryOf("multipart/form-data; boundary=----WebKitFormBoundary7MA4")).toBe("----WebKitFormBoundary7MA4");
  expect(boundaryOf('Multipart/Form-Data;charset=utf-8; Boundary="a b:c"')).toBe("a b:c");
  for (const wrong of [
    null,
    "",
    "application/json",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    `multipart/form-data; boundary=${"x".repeat(71)}`,
  ]) {
    expect(() => boundaryOf(wrong)).toThrow(RouterError);
  }
});
