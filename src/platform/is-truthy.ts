/** Whether the value of a variable says yes, in one of the words that Python's tools take for it. */
export function isTruthy(value: string | undefined): boolean {
  return /^(?:1|on|yes|true)$/i.test(value ?? "");
}
