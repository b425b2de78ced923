/**
 * Runs `"$@"` and ends it politely when standard input closes, which it does however our process dies. TERM is passed on and the
 * end awaited: ninja puts every compiler into a group of its own, so only ninja can end them, and it needs the time to.
 */
const SCRIPT = `
exec 3<&0 </dev/null
build=
asked=
trap 'asked=1; [ -z "$build" ] || kill -TERM $build 2>/dev/null' TERM INT HUP
"$@" 3<&- &
build=$!
[ -z "$asked" ] || kill -TERM $build 2>/dev/null
{ cat >/dev/null; kill -TERM $build; } <&3 2>/dev/null &
exec 3<&-
wait $build
status=$?
while kill -0 $build 2>/dev/null; do
  wait $build
  status=$?
done
exit $status
`;

/** A command line that does the same and does not outlive us. Windows has no such shell: there the next start ends what is left. */
export function tieToParent(command: string, args: readonly string[]): { readonly command: string; readonly args: readonly string[] } {
  if (process.platform === "win32") return { command, args };
  return { command: "/bin/sh", args: ["-c", SCRIPT, "sh", command, ...args] };
}
