import { expect, test } from "bun:test";
import { resolveSettings } from "./index.ts";

test.each(["0", "false", "off", "no", ""])("a switch that is set to %p is off", (value) => {
  const settings = resolveSettings({}, { LEMONADE_WITHOUT_API_KEY: value, LEMONADE_NO_MODELS_AUTOLOAD: value });
  expect(settings).toMatchObject({ isWithoutApiKey: false, isAutoloadOn: true });
});

test.each(["1", "TRUE", "on", "yes"])("a switch that is set to %p is on", (value) => {
  const settings = resolveSettings({}, { LEMONADE_WITHOUT_API_KEY: value, LEMONADE_NO_MODELS_AUTOLOAD: value });
  expect(settings).toMatchObject({ isWithoutApiKey: true, isAutoloadOn: false });
});

test("two variables of Lemonade's count when they hold anything at all, as they do there", () => {
  const settings = resolveSettings({}, { LEMONADE_CI_MODE: "0", LEMONADE_LLAMACPP_NO_FALLBACK: "0" });
  expect(settings).toMatchObject({ isCi: true, isCpuFallbackOff: true });
});
