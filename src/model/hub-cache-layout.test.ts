import { expect, test } from "bun:test";
import {
  blobLinkTarget,
  blobPath,
  isCommitId,
  isSafeBlobName,
  isSafeRevision,
  lockPath,
  noExistPath,
  normalizeEtag,
  partialBlobPath,
  refPath,
  repoFolder,
  repoOfFolder,
  snapshotPath,
} from "./hub-cache-layout.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";

test("paths are those of huggingface_hub", () => {
  expect(blobPath("org/repo", "abc")).toBe("models--org--repo/blobs/abc");
  expect(partialBlobPath("org/repo", "abc")).toBe("models--org--repo/blobs/abc.incomplete");
  expect(lockPath("org/repo", "abc")).toBe(".locks/models--org--repo/abc.lock");
  expect(refPath("org/repo", "refs/pr/1")).toBe("models--org--repo/refs/refs/pr/1");
  expect(snapshotPath("org/repo", COMMIT, "Q8_0/a.gguf")).toBe(`models--org--repo/snapshots/${COMMIT}/Q8_0/a.gguf`);
  expect(noExistPath("org/repo", COMMIT, "a.json")).toBe(`models--org--repo/.no_exist/${COMMIT}/a.json`);
});

test("the link of a snapshot entry climbs once more for each folder", () => {
  expect(blobLinkTarget("a.gguf", "abc")).toBe("../../blobs/abc");
  expect(blobLinkTarget("Q8_0/a.gguf", "abc")).toBe("../../../blobs/abc");
});

test("a folder name gives its repository back", () => {
  expect(repoOfFolder(repoFolder("org/repo.v1-GGUF"))).toBe("org/repo.v1-GGUF");
  expect(repoOfFolder("datasets--org--repo")).toBeUndefined();
  expect(repoOfFolder(".locks")).toBeUndefined();
});

test("entity tags lose their marker and quotes", () => {
  expect(['"abc"', 'W/"abc"', "abc"].map(normalizeEtag)).toEqual(["abc", "abc", "abc"]);
});

test("names from outside that would leave their folder are told apart", () => {
  expect(isCommitId(COMMIT)).toBe(true);
  expect(isCommitId("main")).toBe(false);
  expect(["main", "refs/pr/1", "v1.0"].map(isSafeRevision)).toEqual([true, true, true]);
  expect(["", "..", "../main", "a/../b", "/a", "a\\b", "a//b"].filter(isSafeRevision)).toEqual([]);
  expect(isSafeBlobName(COMMIT)).toBe(true);
  expect(["", "..", "../../etc/passwd", ".incomplete", "a/b"].filter(isSafeBlobName)).toEqual([]);
});
