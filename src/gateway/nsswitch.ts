/** nsswitch.conf(5) with the generated names beside the machine's own, pure. */
const databases = ['passwd', 'group', 'shadow'];

/** Adds `extrausers` behind `files` where it is missing; every other byte stays. */
export function withExtrausers(text: string): string {
  const lines = text.split('\n').map((line) => {
    const [, database = '', services = ''] = /^\s*([a-z]+):(.*)$/.exec(line) ?? [];
    if (!databases.includes(database) || /\bextrausers\b/.test(services)) return line;
    return /\bfiles\b/.test(services) ? line.replace(/\bfiles\b/, 'files extrausers') : `${line} extrausers`;
  });
  const missing = databases.filter((name) => !lines.some((line) => line.trimStart().startsWith(`${name}:`)));
  const added = missing.map((name) => `${name}: files extrausers\n`).join('');
  const kept = lines.join('\n');
  return added === '' || kept === '' || kept.endsWith('\n') ? kept + added : `${kept}\n${added}`;
}
