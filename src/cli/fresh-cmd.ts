/**
 * `fresh.cmd`: the fast path for Windows, where ssh hands the line of `Match exec` to cmd. It can't reckon with times, but
 * sorts files by theirs: `renew-after` has that of the next renewal, `now` is touched, and `identity.conf` has that of the
 * last one; in any other order a renewal is due, or the clock was set back. The same rules as in fresh-script.ts.
 */
import type { SallyEnvironment } from './environment.ts';
import type { StatePaths } from './state-paths.ts';

/** cmd reads labels only of files with line ends of its own. */
const lines = (text: string) => text.replaceAll('\n', '\r\n');

export function freshCmdText(
  paths: Pick<StatePaths, 'home' | 'machineOwn' | 'personOwn' | 'profile'>,
  program: SallyEnvironment['program'],
): string {
  return lines(`@echo off
rem Written by sally. ssh runs this before it connects to a *.sallyport host. Ends with 0 for a machine, else with 1.
setlocal
set "answer=1"
set "state=${cmdPath(paths.personOwn)}"
set "machine=%SALLY_TOKEN%%SALLY_ID_TOKEN%%SALLY_ID_TOKEN_FILE%%ACTIONS_ID_TOKEN_REQUEST_URL%"
if defined machine set "answer=0"
if defined machine set "state=${cmdPath(paths.machineOwn)}"
set "narrowed=%~1"
if defined narrowed set "state=%state%\\environments\\%narrowed:/=\\%"
rem Whose certificate a machine has is for sally to see.
if defined machine goto renew
if not exist "%state%\\renew-after" goto renew
set "due="
set /p due=<"%state%\\renew-after"
if "%due:~0,4%"=="over" exit /b %answer%
if "%due:~0,3%"=="out" exit /b %answer%
type nul 2>nul >"%state%\\now"
set "order="
for /f "delims=" %%f in ('dir /b /o:-d "%state%\\renew-after" "%state%\\now" "%state%\\identity.conf" 2^>nul') do call set "order=%%order%%/%%f"
if "%order%"=="/renew-after/now/identity.conf" exit /b %answer%
:renew
if not exist "${cmdPath(program.node)}" exit /b %answer%
if not exist "${cmdPath(program.entry)}" exit /b %answer%
set "SALLY_PROFILE=${paths.profile}"
set "wanted="
if defined narrowed set "wanted=--environment %narrowed%"
"${cmdPath(program.node)}" "${cmdPath(program.entry)}" cert ensure --quiet --home "${cmdPath(paths.home)}" %wanted% <nul >nul 2>nul
exit /b %answer%
`);
}

/** `is-machine.cmd`: ends with 0 if the environment brings a credential. */
export function isMachineCmdText(): string {
  return lines(`@echo off
rem Written by sally. Tells ssh whether the environment brings a credential of a machine.
if defined SALLY_TOKEN exit /b 0
if defined SALLY_ID_TOKEN exit /b 0
if defined SALLY_ID_TOKEN_FILE exit /b 0
if defined ACTIONS_ID_TOKEN_REQUEST_URL exit /b 0
exit /b 1
`);
}

/** What stands where there is no such file for Windows: it says no, in silence. */
export function neverCmdText(): string {
  return lines(`@echo off
rem Written by sally.
exit /b 1
`);
}

/** In quotes a percent sign is the only character of a path that cmd reads as more; state-paths.ts refuses it at home. */
function cmdPath(text: string): string {
  return text.replaceAll('/', '\\').replaceAll('%', '%%');
}
