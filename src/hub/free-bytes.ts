/** Gives the memory of a chunk back at once: waiting for the garbage collector costs a fast download ten times its window. */
export function freeBytes(chunk: Uint8Array): void {
  const { buffer } = chunk;
  // A view of a part of a shared buffer is not ours to free.
  if (buffer instanceof ArrayBuffer && chunk.byteLength === buffer.byteLength && !buffer.detached) buffer.transfer(0);
}
