import { describe, expect, test } from "bun:test";
import { RouterError } from "../../errors.ts";
import { KNOWN_OPTIONS, mergeOptions, OptionTable, parseOptionsHelp, presetIni, presetLaunch, readPresets, unknownKeys } from "./index.ts";

const table = new OptionTable(parseOptionsHelp(KNOWN_OPTIONS));
const read = (text: string) => readPresets(text, { file: "p.ini", table });
const modelOf = (text: string, name = "m") => Object.fromEntries(read(text).models.get(name) ?? []);
const errorOf = (text: string): RouterError => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof RouterError) return error;
  }
  throw new Error("It was taken");
};

describe("the help text of llama-server", () => {
  test("gives every spelling, the negations, the variable and whether a value follows", () => {
    const [context, ui, noHost, range] = parseOptionsHelp(
      [
        "----- common params -----",
        "-c,    --ctx-size N                     size of the prompt context (default: 0, 0 = loaded from model)",
        "                                        (env: LLAMA_ARG_CTX_SIZE)",
        "-kvo,  --kv-offload, -nkvo, --no-kv-offload",
        "                                        whether to offload",
        "--no-host                               bypass host buffer",
        "--control-vector-layer-range START END",
      ].join("\n"),
    );
    expect(context).toEqual({ flags: ["-c", "--ctx-size"], negations: [], values: 1, env: "LLAMA_ARG_CTX_SIZE" });
    expect(ui).toEqual({ flags: ["-kvo", "--kv-offload"], negations: ["-nkvo", "--no-kv-offload"], values: 0, env: undefined });
    expect(noHost).toMatchObject({ flags: ["--no-host"], negations: [], values: 0 });
    expect(range?.values).toBe(2);
  });
});

describe("a preset file", () => {
  test("takes long, short, variable and negated keys for one option", () => {
    expect(modelOf("[m]\nctx-size = 1\n")).toEqual({ "ctx-size": "1" });
    expect(modelOf("[m]\nc=2\n")).toEqual({ "ctx-size": "2" });
    expect(modelOf("[m]\nLLAMA_ARG_CTX_SIZE = 3\n")).toEqual({ "ctx-size": "3" });
    expect(modelOf("[m]\nno-warmup = true\n")).toEqual({ warmup: "false" });
    expect(modelOf("[m]\nno-warmup = off\n")).toEqual({ warmup: "true" });
    expect(modelOf("[m]\nngl = all\n")).toEqual({ "n-gpu-layers": "all" });
  });

  test("has comments in lines of their own and behind values, any line ends, and an ignored version", () => {
    const text = "version = 1\r\n; a comment\r\n[m] # of m\r\nmodel = /models/a b.gguf ; where it is\r\n\r\ntemp = 0.5#cool";
    expect(modelOf(text)).toEqual({ model: "/models/a b.gguf", temperature: "0.5" });
  });

  test("keys before any section make a model called default, and none without keys", () => {
    expect([...read("model = a.gguf\n[*]\nc = 1\n").models.keys()]).toEqual(["default"]);
    expect([...read("version = 1\n[*]\nc = 1\n").models.keys()]).toEqual([]);
  });

  test("a later section of the same name replaces an earlier one", () => {
    expect(modelOf("[m]\nc = 1\ntemp = 1\n[m]\nc = 2\n")).toEqual({ "ctx-size": "2" });
  });

  test("an unknown key is refused with its line and the nearest key", () => {
    const error = errorOf("[m]\n\nctx-sise = 1\n");
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toBe("p.ini, line 3: option 'ctx-sise' not recognized in preset 'm'");
    expect(error.hint).toContain("ctx-size");
    expect(unknownKeys("[m]\nctx-sise = 1\nstop-timeout = 1\nc = 2\n", { file: "p.ini", table })).toEqual(["ctx-sise"]);
  });

  test.each([
    ["nonsense", "neither [name] nor key = value"],
    ["[m]\njinja = maybe", "must be true or false"],
    ["[m]\nload-on-startup = maybe", "must be true or false"],
    ["[m]\nstop-timeout = soon", "number of seconds"],
    ["[m]\nctx-size = big", "number of tokens"],
    ["[m]\ncontrol-vector-layer-range = 1 2", "two values"],
  ])("%j is refused", (text, why) => {
    expect(errorOf(text).message).toContain(why);
  });
});

describe("the options of a model", () => {
  const { shared, models } = read(
    `[*]
     c = 512
     ngl = 8
     [m]
     model = a.gguf
     ngl = 20
     jinja = off
     swa-full = on
     no-host = off
     hf-token = hf_secret
     api-key = key
     port = 99
     alias = zed, alpha
     tags = two,one
     stop-timeout = 3
     embedding = 1
     no-mmproj = 1
     load-on-startup = true`,
  );
  const options = mergeOptions(shared, models.get("m") ?? new Map());

  test("override those of all models and become flags, less those that are the router's", () => {
    const launch = presetLaunch(options, table);
    expect(launch.flags).toEqual([["--n-gpu-layers", "20"], ["--no-jinja"], ["--swa-full"]]);
    expect(launch).toMatchObject({
      modelPath: "a.gguf",
      contextTokens: 512,
      aliases: ["alpha", "zed"],
      tags: ["one", "two"],
      labels: ["embeddings"],
      isProjectorOff: true,
      stopTimeoutMs: 3000,
      isLoadedOnStartup: true,
      hidesCacheEntries: false,
    });
  });

  test("are shown as a section without secrets and without the router's own ones", () => {
    const ini = presetIni("m", options);
    expect(ini).toStartWith("[m]\nctx-size = 512\nn-gpu-layers = 20\nmodel = a.gguf\njinja = false\n");
    expect(ini).toContain("hf-token = ***\n");
    expect(ini).toEndWith("\n\n");
    for (const hidden of ["secret", "api-key", "port", "alias", "tags"]) expect(ini).not.toContain(hidden);
  });

  test("name a model on the hub, also by one of its files", () => {
    const checkpoint = (text: string) => presetLaunch(read(text).models.get("m") ?? new Map(), table).checkpoint;
    expect(checkpoint("[m]\nhf-repo = o/r:q4_0")).toBe("o/r:q4_0");
    expect(checkpoint("[m]\nhf = o/r\nhff = x.gguf")).toBe("o/r:x.gguf");
    expect(checkpoint("[m]\nc = 1")).toBeUndefined();
  });
});
