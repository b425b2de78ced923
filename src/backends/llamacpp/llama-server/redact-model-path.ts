/**
 * A model's path as it may be shown to others: the folder of the Hugging Face cache becomes `$HF_HOME`, because what is above it names
 * the user. Other paths are returned unchanged.
 * @param env - Where `HF_HOME` is looked up; without it, the folder is known by its name, `huggingface`.
 */
export function redactModelPath(path: string, env: Readonly<Record<string, string | undefined>> = {}): string {
  const home = env["HF_HOME"]?.replace(/[\\/]+$/, "");
  if (home && path.startsWith(home) && /^[\\/]/.test(path.slice(home.length))) return `$HF_HOME/${path.slice(home.length + 1)}`;
  return path.replace(/^.*?[\\/]huggingface[\\/]/s, "$$HF_HOME/");
}
