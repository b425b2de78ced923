import { expect, test } from "bun:test";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findBuildTools, installHint, missingToolsError } from "./build-tools.ts";

test("the hint is the command of the package manager that is there", () => {
  expect(installHint(["cmake", "c++ compiler"], ["apt"])).toBe("Install with: sudo apt-get install cmake g++");
  expect(installHint(["git"], ["dnf"])).toBe("Install with: sudo dnf install git");
  expect(installHint(["make or ninja"], ["pacman"])).toBe("Install with: sudo pacman -S ninja");
  expect(installHint(["cmake"], ["brew"])).toBe("Install with: brew install cmake");
  expect(installHint(["git", "cmake"], ["winget"])).toBe("Install with: winget install Git.Git && winget install Kitware.CMake");
});

test("Apple's command line tools bring everything but CMake", () => {
  const missing = ["git", "c++ compiler", "make or ninja"] as const;
  expect(installHint(missing, ["xcode-select"])).toBe("Install with: xcode-select --install");
  expect(installHint([...missing, "cmake"], ["xcode-select", "brew"])).toBe("Install with: xcode-select --install && brew install cmake");
});

test("without a known package manager the hint still says what to do", () => {
  expect(installHint(["git"], [])).toContain("package manager");
});

test("the error names every missing program", () => {
  const error = missingToolsError(["git", "c++ compiler"], ["apt"]);
  expect(error.code).toBe("INSTALL_FAILED");
  expect(error.message).toEndWith("not on PATH: git, C++ compiler");
});

test.skipIf(process.platform !== "linux")("programs that are not on PATH are found missing, and only those", async () => {
  const folder = await mkdtemp(join(tmpdir(), "build-tools-"));
  try {
    // Both stand in for the real programs: they answer `--version` with success.
    await symlink("/bin/true", join(folder, "git"));
    await symlink("/bin/true", join(folder, "gmake"));
    const error: unknown = await findBuildTools({ env: { PATH: folder } }).catch((caught: unknown) => caught);
    expect(error).toHaveProperty("message", "Building llama.cpp needs programs that are not on PATH: cmake, C++ compiler");
    await symlink("/bin/true", join(folder, "cmake"));
    await symlink("/bin/true", join(folder, "clang++"));
    expect(await findBuildTools({ env: { PATH: folder } })).toEqual({ hasNinja: false });
  } finally {
    await rm(folder, { recursive: true });
  }
});
