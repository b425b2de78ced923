/** One file on its way from the hub. */
export interface FileProgress {
  readonly url: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** How far a load is, in the engine's words. */
export interface StageProgress {
  /** Everything that is loaded in turn: the model, its projector, a draft model. */
  readonly stages: readonly string[];
  readonly stage: string;
  /** 0 to 1, of this stage. */
  readonly fraction: number;
}

/** Something that happened to a model. */
export type ModelEvent =
  | { readonly kind: "loading"; readonly model: string }
  | { readonly kind: "progress"; readonly model: string; readonly progress: StageProgress }
  /** `info` is the engine's own entry of the model; one that wakes up does not repeat it. */
  | { readonly kind: "loaded"; readonly model: string; readonly info?: Readonly<Record<string, unknown>> | undefined }
  | { readonly kind: "sleeping"; readonly model: string }
  /** 0 when it was asked to go. */
  | { readonly kind: "unloaded"; readonly model: string; readonly exitCode: number }
  | { readonly kind: "downloading"; readonly model: string; readonly files: readonly FileProgress[] }
  | { readonly kind: "downloaded"; readonly model: string; readonly isComplete: boolean }
  | { readonly kind: "deleted"; readonly model: string }
  /** The list of models was read anew, or so much happened that it should be. */
  | { readonly kind: "reloaded" };
