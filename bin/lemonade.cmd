@echo off
rem Starts the command of this checkout on Bun, which shall read neither .env nor bunfig.toml of the current folder.
setlocal
set "root=%~dp0.."
rem Bun sends 256 requests at a time unless told otherwise, over all engines together.
if not defined BUN_CONFIG_MAX_HTTP_REQUESTS set "BUN_CONFIG_MAX_HTTP_REQUESTS=65336"
for %%b in ("%root%\node_modules\@oven\bun-windows-x64\bin\bun.exe" "%root%\node_modules\@oven\bun-windows-aarch64\bin\bun.exe" "%root%\..\@oven\bun-windows-x64\bin\bun.exe" "%root%\..\@oven\bun-windows-aarch64\bin\bun.exe") do if exist %%b (
  %%b --config="%root%\bunfig.toml" --no-env-file "%root%\src\cli\main.ts" %*
  exit /b
)
echo lemonade: Bun is missing; run 'npm install' in %root% first (with optional packages: they carry Bun) 1>&2
exit /b 1
