import { expect, test } from "bun:test";
import { parseBuildInfo, parseFlags, parseVersion } from "./probe-build.ts";

const HELP = `----- common params -----
-h,    --help, --usage                  print usage and exit
-a,    --alias STRING                   set model name aliases, comma-separated (--not-a-flag)
--keep N                                number of tokens to keep from the initial prompt (default: 0, -1 =
                                        --indented text is no flag
-kvo,  --kv-offload, -nkvo, --no-kv-offload
                                        whether to enable KV cache offloading
-fa,   --flash-attn [on|off|auto]       set Flash Attention use
`;

test("every spelling in the option column of the help text is a known flag, and nothing else", () => {
  const expected = "-h --help --usage -a --alias --keep -kvo --kv-offload -nkvo --no-kv-offload -fa --flash-attn";
  expect([...parseFlags(HELP)]).toEqual(expected.split(" "));
});

test("the version is read from both generations of the version text", () => {
  expect(parseVersion("version: 0.5.0-dev (build 1, commit de3ff81)\nbuilt with GNU")).toBe("0.5.0-dev");
  expect(parseVersion("version: 9775 (de3ff81)")).toBe("9775");
  expect(parseVersion("no such text")).toBeUndefined();
});

test("build and commit are read from both generations, and have a form that clients can read when there is neither", () => {
  expect(parseBuildInfo("version: 0.5.0-dev (build 1, commit de3ff81)\nbuilt with GNU")).toBe("b1-de3ff81");
  expect(parseBuildInfo("version: 9775 (de3ff81)")).toBe("b9775-de3ff81");
  expect(parseBuildInfo("version: 0.0.0 (misbehaving engine)")).toBe("b0-unknown");
});
