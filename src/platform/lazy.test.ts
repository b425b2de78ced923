import { describe, expect, test } from "bun:test";
import { Lazy } from "./lazy.ts";

describe("what is made when it is first needed", () => {
  test("is made once for all who ask, and not before", async () => {
    let count = 0;
    const lazy = new Lazy(async () => ++count);
    expect(lazy.made).toBeUndefined();
    expect(await Promise.all([lazy.get(), lazy.get()])).toEqual([1, 1]);
    expect(await lazy.get()).toBe(1);
    expect(await lazy.made).toBe(1);
  });

  test("is made anew after a failure, once for all who had asked together", async () => {
    let count = 0;
    const lazy = new Lazy(async () => {
      if (++count === 1) throw new Error("too many open files");
      return count;
    });
    const getTwice = async () => await lazy.get().catch(async () => await lazy.get());
    expect(await Promise.all([getTwice(), getTwice(), getTwice()])).toEqual([2, 2, 2]);
    expect(lazy.made).toBeDefined();
  });
});
