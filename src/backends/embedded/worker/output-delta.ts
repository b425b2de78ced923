/** A piece of a chat answer, in the order in which the model writes it. */
export type OutputDelta =
  | { readonly kind: "reasoning"; readonly text: string }
  | { readonly kind: "content"; readonly text: string }
  /** A call begins; `text` is the first piece of its arguments. */
  | { readonly kind: "tool-call"; readonly index: number; readonly id: string; readonly name: string; readonly text: string }
  | { readonly kind: "tool-arguments"; readonly index: number; readonly text: string };
