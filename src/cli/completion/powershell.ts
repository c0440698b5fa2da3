import type { CompletionRow } from './table.ts';

/** For Windows PowerShell 5.1 and later. */
export function powershellCompletion(table: readonly CompletionRow[]): string {
  return `# Completion of sally for PowerShell. Written by: sally completion powershell
Register-ArgumentCompleter -Native -CommandName sally -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $facts = @{
${table.map(rowOf).join('\n')}
  }
  $at = 'sally'; $used = 0; $kind = $null; $pending = $null
  $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
    Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  foreach ($word in $words) {
    if ($pending) { $pending = $null }
    elseif ($word.StartsWith('-')) { $pending = $facts[$at].Values[$word] }
    elseif ($facts[$at].Subs -ccontains $word) { $at = "$at $word"; $used = 0 }
    else { $used++ }
  }
  $found = @()
  if ($pending) { $kind = $pending }
  elseif ($wordToComplete.StartsWith('-')) { $found = $facts[$at].Options }
  else {
    $found = $facts[$at].Subs
    $operands = @($facts[$at].Operands)
    if ($facts[$at].Repeats -and $used -ge $operands.Count) { $used = $operands.Count - 1 }
    if ($used -lt $operands.Count) { $kind = $operands[$used] }
  }
  if ($kind -and $kind.StartsWith('=')) { $found += $kind.Substring(1).Split(',') }
  $hosts = Join-Path $HOME '.ssh/sallyport/hosts.conf'
  if ($kind -eq '@target' -and (Test-Path $hosts)) {
    $found += Get-Content $hosts | Select-String -CaseSensitive '^\\s*Host\\s+([a-z0-9-]+)\\.sallyport\\b' |
      ForEach-Object { $_.Matches[0].Groups[1].Value }
  }
  $found | Where-Object { $_ -and $_.StartsWith($wordToComplete) } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`;
}

function rowOf({ path, commands, options, operands, repeats }: CompletionRow): string {
  const values = options.flatMap(({ name, kind }) => (kind === undefined ? [] : `'${name}' = '${kind}'`));
  // -t and -T are two options, and a hash table of PowerShell takes them for one.
  const distinct = values.filter(
    (value, at) => values.findIndex((other) => other.toLowerCase() === value.toLowerCase()) === at,
  );
  return `    '${path}' = @{ Subs = ${list(commands.map(({ name }) => name))}; Options = ${list(options.map(({ name }) => name))}; Values = @{ ${distinct.join('; ')} }; Operands = ${list(operands)}; Repeats = ${repeats ? '$true' : '$false'} }`;
}

function list(words: readonly string[]): string {
  return `@(${words.map((text) => `'${text.replaceAll("'", "''")}'`).join(', ')})`;
}
