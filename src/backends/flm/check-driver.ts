import { RouterError } from "../../errors.ts";
import { compareVersions, FLM_POLICY } from "./flm-policy.ts";

/**
 * Refuses an NPU driver that is too old for FastFlowLM. An unknown version passes: the program itself will say more.
 * @throws {@link RouterError} `BACKEND_NOT_INSTALLED`.
 */
export function checkNpuDriver(driverVersion: string | undefined): void {
  const { minDriver, driverPage } = FLM_POLICY;
  if (driverVersion === undefined || !/^\d+(\.\d+)+$/.test(driverVersion) || compareVersions(driverVersion, minDriver) >= 0) return;
  throw new RouterError("BACKEND_NOT_INSTALLED", `The NPU driver ${driverVersion} is older than FastFlowLM needs (${minDriver})`, {
    hint: `Install a newer one: ${driverPage}`,
  });
}
