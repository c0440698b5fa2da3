import {
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type SshConfiguration, sshConfiguration } from '../../src/api/ssh-configuration.ts';
import { byHandText } from '../../src/cli/by-hand-text.ts';
import { hostsText, knownHostsText } from '../../src/cli/ssh-config-text.ts';
import { configPath, configProgram, configWord } from '../../src/cli/ssh-config-value.ts';
import { statePaths } from '../../src/cli/state-paths.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { optionsOf, Person, run } from './person.ts';
import { ServerDouble } from './server-double.ts';

let server: ServerDouble;
let people: Person[] = [];

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
});
afterEach(async () => {
  await server.stop();
  for (const person of people) person.remove();
  people = [];
});

function somebody(name?: string): Person {
  const person = new Person(name);
  people.push(person);
  return person;
}

/** Every place where a name of the server enters the ssh config. */
type SetField = (configuration: SshConfiguration, value: string) => void;
const fields: [string, SetField][] = [
  ['target name', ({ targets: [target] }, value) => Object.assign(target ?? {}, { name: value })],
  ['target address', ({ targets: [target] }, value) => Object.assign(target ?? {}, { address: value })],
  ['target login', ({ targets: [target] }, value) => Object.assign(target ?? {}, { login: value })],
  ['gateway address', ({ gateways: [gateway] }, value) => Object.assign(gateway ?? {}, { address: value })],
  ['gateway login', ({ gateways: [gateway] }, value) => Object.assign(gateway ?? {}, { login: value })],
  [
    'gateway name',
    ({ gateways: [gateway], targets: [target] }, value) => {
      Object.assign(gateway ?? {}, { name: value });
      Object.assign(target ?? {}, { gateway: value });
    },
  ],
  ['suffix', (configuration, value) => Object.assign(configuration, { suffix: value })],
  ['host CA', (configuration, value) => Object.assign(configuration, { host_authorities: [value] })],
];

const ownConfig = `# mine
User me
Host work
  HostName work.example.com
  Port 2200
Host *
  ServerAliveInterval 7`;

describe('the ssh config', () => {
  test('sends a target through its gateway with our key, our certificate and our host CA', async () => {
    const alice = somebody();
    await alice.login(server.url);
    const options = alice.sshOptions('shop-production--web.sallyport');
    const one = (name: string) => options.get(name)?.join();
    expect(one('hostname')).toBe('127.0.0.1');
    expect(one('port')).toBe('8423');
    expect(one('user')).toBe('app');
    expect(one('proxyjump')).toBe('shop-production--web@gw.sallyport');
    expect(one('hostkeyalias')).toBe('shop-production--web.sallyport');
    expect(one('identitiesonly')).toBe('yes');
    expect(one('stricthostkeychecking')).toBe('true');
    expect(one('userknownhostsfile')).toBe(alice.paths.knownHosts);
    expect(one('identityfile')).toMatch(/\/pairs\/[0-9a-f-]{36}\/id_ed25519$/);
    expect(one('certificatefile')).toBe(`${one('identityfile')}-cert.pub`);
    expect(readFileSync(alice.paths.knownHosts, 'utf8')).toMatch(
      /^@cert-authority \*\.sallyport ssh-ed25519 \S+ sallyport host CA\n$/,
    );
  });

  test('names the target by the command where the gateway has one login only', async () => {
    server.configuration.gateways = [{ name: 'gw', address: '192.0.2.1', port: 22, login: 'dev' }];
    const alice = somebody();
    await alice.login(server.url);
    const target = alice.sshOptions('shop-production--web.sallyport');
    expect(target.get('proxyjump')).toEqual(['dev@gw.sallyport']);
    const gateway = alice.sshOptions('gw.sallyport');
    expect(gateway.get('user')).toEqual(['dev']);
    expect(gateway.get('hostname')).toEqual(['192.0.2.1']);
    expect(gateway.get('hostkeyalias')).toEqual(['gw.sallyport']);
  });

  test('trusts each of the server’s host CAs, as the last renewal found them', async () => {
    const alice = somebody();
    await alice.login(server.url);
    const [before = ''] = server.configuration.host_authorities;
    const next = publicKeyLine({ blob: generateEd25519().publicKeyBlob });
    const trusted = async (lines: string[]) => {
      server.configuration.host_authorities = lines;
      await alice.sally(['cert', 'ensure', '--force']);
      return readFileSync(alice.paths.knownHosts, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' ').slice(0, 4).join(' '));
    };
    const lineOf = (key: string) => `@cert-authority *.sallyport ${key.split(' ').slice(0, 2).join(' ')}`;
    expect(await trusted([before, next])).toEqual([lineOf(before), lineOf(next)]);
    expect(await trusted([next])).toEqual([lineOf(next)]);
  });

  test('is passed on to the ssh that jumps', async () => {
    const alice = somebody();
    server.configuration.gateways = [{ name: 'gw', address: '127.0.0.1', port: 1, login: null }];
    await alice.login(server.url);
    const { stderr } = alice.ssh(['-v', 'shop-production--web.sallyport', 'true']);
    const [, command = ''] = /Setting implicit ProxyCommand from ProxyJump: (.*)/.exec(stderr) ?? [];
    expect(command).toContain(`-F ${alice.paths.userConfig} `);
    expect(command).toContain('-l shop-production--web');
  });

  test('is passed on to the ssh that jumps from a home with spaces too, as login says it', async () => {
    const alice = somebody('my home');
    server.configuration.gateways = [{ name: 'gw', address: '127.0.0.1', port: 1, login: null }];
    const { stdout } = await alice.sally(['login', '--server', server.url], {
      environment: { passwdHome: '/root' },
    });
    const [, command = ''] = /^Next: (cd .*)$/m.exec(stdout) ?? [];
    const { stderr } = run('sh', ['-c', command.replace('ssh -F', 'ssh -T -F')]);
    expect(stderr).toContain('connect to host 127.0.0.1 port 1: Connection refused');
    expect(stderr).not.toContain('config file');
  });

  test('of another profile than the active one is passed on from a home with spaces too, as login says it', async () => {
    const alice = somebody('my home');
    server.configuration.gateways = [{ name: 'gw', address: '127.0.0.1', port: 1, login: null }];
    await alice.login(server.url);
    await alice.sally(['profile', 'add', 'work', '--server', server.url]);
    const { stdout } = await alice.sally(['login', '--profile', 'work']);
    const [, command = ''] = /^Next: (cd .*)$/m.exec(stdout) ?? [];
    const { stderr } = run('sh', ['-c', command.replace('ssh -F', 'ssh -T -F')]);
    expect(stderr).toContain('connect to host 127.0.0.1 port 1: Connection refused');
    expect(stderr).not.toContain('config file');
  });

  test('changes nothing for any other host, byte for byte', async () => {
    const alice = somebody('home with spaces');
    alice.writeConfig(ownConfig);
    const hosts = ['work', 'example.com', 'sallyport', 'x.sallyport.example.com', 'me@work', 'asallyport'];
    const before = hosts.map((host) => alice.ssh(['-G', host]).stdout);
    await alice.login(server.url);
    expect(hosts.map((host) => alice.ssh(['-G', host]).stdout)).toEqual(before);
    expect(optionsOf(before[0] ?? '').get('port')).toEqual(['2200']);
  });

  test('wins over what the person says of every host', async () => {
    const alice = somebody();
    alice.writeConfig('Host *\n  User root\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n');
    await alice.login(server.url);
    const options = alice.sshOptions('shop-production--web.sallyport');
    expect(options.get('user')).toEqual(['app']);
    expect(options.get('stricthostkeychecking')).toEqual(['true']);
    expect(options.get('userknownhostsfile')).toEqual([alice.paths.knownHosts]);
  });

  test.each(['home with spaces', 'h\u00f6me', 'a&b;c|d(e)<f>#~^,=@:+{}'])(
    'works below a home called %s',
    async (name) => {
      const alice = somebody(name);
      await alice.login(server.url);
      const { code, stderr, stdout } = alice.ssh(['-G', 'shop-production--web.sallyport'], {
        SHELL: '/bin/sh',
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(optionsOf(stdout).get('identityfile')?.join()).toContain(`/${name}/.ssh/sallyport/pairs/`);
      expect(optionsOf(stdout).get('hostname')).toEqual(['127.0.0.1']);
      // The exec line runs for real: with a renewal due, ssh itself brings it about.
      alice.forceRenewal();
      await alice.sshAsync(['-G', 'shop-production--web.sallyport'], { SHELL: '/bin/sh' });
      expect(server.issued).toBe(2);
    },
  );

  test.each(['"', "'", '%', '\\', '`', '$', '*', '?', '[', '!', '\n', '\u001b', '\u202e'])(
    '[abuse 124] is not written below a home folder with %j in its name',
    (character) => {
      expect(() => statePaths(`/home/a${character}b`)).toThrow('home folder');
      expect(() => configPath(`/home/a${character}b`)).toThrow('cannot name');
      expect(() => configProgram(`/home/a${character}b`)).toThrow('cannot name');
    },
  );

  test.each([undefined, '', 'relative/home', '~'])(
    '[abuse 124] is not written below a HOME of %j',
    (home) => {
      expect(() => statePaths(home)).toThrow('HOME');
    },
  );

  const hostile = [
    'web\n  ProxyCommand touch /tmp/owned',
    'web\r\nHost *',
    'web"',
    "web'",
    'web %h',
    '%{x}',
    '$(id)',
    '`id`',
    '$' + '{HOME}',
    'a;id',
    'a|id',
    'a b',
    '-oProxyCommand=id',
    '',
    'caf\u00e9',
    'a\0b',
  ];

  test.each(hostile)('[abuse 124] has no place for the value %j', (value) => {
    expect(() => configWord(value)).toThrow('cannot stand in an ssh config');
  });

  test.each(hostile.flatMap((value) => fields.map(([field, set]) => [field, value, set] as const)))(
    '[abuse 124] is not touched when the server gives the %s %j',
    async (_field, value, set) => {
      const alice = somebody();
      alice.writeConfig(ownConfig);
      set(server.configuration, value);
      const { code } = await alice.sally(['login', '--server', server.url]);
      expect(code).not.toBe(0);
      expect(alice.config().toString()).toBe(ownConfig);
      expect(alice.has(alice.paths.hosts)).toBe(false);
      expect(() => hostsText(server.configuration) + knownHostsText(server.configuration)).toThrow();
    },
  );

  test.each(['project', 'environment'])(
    '[abuse 124] gets no program for a hostile %s of a certificate of its own',
    (member) => {
      const { paths } = somebody();
      for (const value of hostile) {
        const [first] = structuredClone(server.configuration.targets);
        const narrow_to = { project: 'shop', environment: 'lab', [member]: value };
        const targets = [{ ...(first as NonNullable<typeof first>), gateway: null, narrow_to }];
        const configuration = { ...server.configuration, targets };
        expect(() => byHandText(configuration, paths), value).toThrow();
        expect(sshConfiguration.safeParse(configuration).success, value).toBe(false);
      }
      const [first] = server.configuration.targets;
      const narrow_to = { project: 'shop', environment: 'lab' };
      const targets = [{ ...(first as NonNullable<typeof first>), gateway: null, narrow_to }];
      expect(byHandText({ ...server.configuration, targets }, paths)).toContain('shop/lab');
    },
  );

  test('[abuse 124] maps no name but *.sallyport', async () => {
    const alice = somebody();
    server.configuration.suffix = 'com';
    const { code, stderr } = await alice.sally(['login', '--server', server.url]);
    expect(code).toBe(2);
    expect(stderr).toContain('another name than .sallyport');
    expect(alice.has(alice.paths.userConfig)).toBe(false);
  });
});

describe('names of their own', () => {
  const target = 'shop-production--web.sallyport';
  const host = ['hostname', 'port', 'user', 'proxyjump', 'hostkeyalias', 'userknownhostsfile'];
  const keys = ['identityfile', 'certificatefile', 'identitiesonly', 'stricthostkeychecking'];
  const facts = (person: Person, name: string) => {
    const options = person.sshOptions(name);
    return [...host, ...keys].map((option) => options.get(option));
  };

  test('[seeds 55] get the certificate and the way of the target that they stand for', async () => {
    const alice = somebody();
    alice.writeConfig(
      `Host web w\n  HostName ${target}\n  LocalForward 8080 localhost:80\nHost *\n  Port 9\n`,
    );
    await alice.login(server.url);
    for (const name of ['web', 'w']) {
      expect(facts(alice, name)).toEqual(facts(alice, target));
      expect(alice.sshOptions(name).get('localforward')).toEqual(['8080 [localhost]:80']);
      const issued = server.issued;
      alice.forceRenewal();
      const { code, stderr } = await alice.sshAsync(['-G', name]);
      expect({ code, stderr, issued: server.issued }).toEqual({ code: 0, stderr: '', issued: issued + 1 });
    }
    expect(alice.sshOptions('example.com').get('port')).toEqual(['9']);
  });

  test.each([
    ['of a pattern', `Host w* !web\n  HostName ${target}\n`],
    ['of a Match', `Match originalhost web\n  HostName ${target}\n`],
    ['of a target that nobody knows', 'Host web\n  HostName other--app.sallyport\n'],
    ['with a name that ssh would run', `Host "$(id)" -oProxyCommand=id a;b\n  HostName ${target}\n`],
  ])('[abuse 124] are left alone where they are %s', async (_what, text) => {
    const alice = somebody();
    alice.writeConfig(text);
    await alice.login(server.url);
    expect(readFileSync(alice.paths.byHand, 'utf8')).toBe('# Written by sally.\n');
  });
});

describe('what a login may do to the config', () => {
  test('[seeds 55] is the person’s choice: yes without a word, ask, or no', async () => {
    const alice = somebody();
    alice.writeConfig(ownConfig);
    const policy = async (...wanted: string[]) =>
      (await alice.sally(['ssh-config', 'policy', ...wanted])).stdout;
    const login = async (answer?: string) =>
      await alice.sally(
        ['login', '--server', server.url],
        answer === undefined
          ? {}
          : {
              ask: (question) =>
                question.startsWith('Add one line') ? Promise.resolve(answer) : new Promise(() => {}),
            },
      );
    expect(await policy()).toBe('yes\n');
    expect(await policy('no')).toContain('leaves your ssh config alone');
    expect((await login()).stdout).toContain(
      'stays as it is. To have plain ssh work: sally ssh-config install',
    );
    expect(alice.config().toString()).toBe(ownConfig);
    await policy('ask');
    expect((await login()).stderr).toContain('nobody is there to ask');
    expect((await login('n')).code).toBe(0);
    expect(alice.config().toString()).toBe(ownConfig);
    expect((await login('')).code).toBe(0);
    expect(alice.config().toString()).toBe(`Include "${alice.paths.config}"\n${ownConfig}`);
  });

  test('[seeds 55] is nothing after an uninstall, until it is installed again', async () => {
    const alice = somebody();
    alice.writeConfig(ownConfig);
    await alice.login(server.url);
    await alice.sally(['ssh-config', 'uninstall']);
    await alice.login(server.url);
    expect(alice.config().toString()).toBe(ownConfig);
    await alice.sally(['ssh-config', 'install']);
    await alice.login(server.url);
    expect(alice.config().toString()).toContain('Include');
  });

  test('[seeds 55] shows: the line, and our files between BEGIN and END, which end in Host *', async () => {
    const alice = somebody();
    await alice.login(server.url);
    const { stdout } = await alice.sally(['ssh-config', 'show']);
    expect(stdout).toContain(`Include "${alice.paths.config}"`);
    expect(readFileSync(alice.paths.config, 'utf8')).toMatch(
      /^# BEGIN sallyport\n[\s\S]*\nHost \*\n# END sallyport\n$/,
    );
  });
});

describe("the person's own config", () => {
  const configs: [string, Buffer][] = [
    ['is plain', Buffer.from(`${ownConfig}\n`)],
    ['has no last line end', Buffer.from(ownConfig)],
    ['has Windows line ends', Buffer.from('Host a\r\n  Port 2\r\n')],
    ['is empty', Buffer.alloc(0)],
    ['holds bytes that are no text', Buffer.from([0x23, 0xff, 0xfe, 0x00, 0x0a])],
    ['includes itself', Buffer.from('Include config\nInclude sallyport/*\n')],
    ['speaks of sallyport', Buffer.from('# Include "sallyport/config"\nInclude sallyport/config\n')],
  ];

  test.each(configs)(
    '[abuse 125] [seeds 55] is byte-identical after the uninstall where it %s',
    async (_what, bytes) => {
      const alice = somebody();
      alice.writeConfig(bytes, 0o640);
      await alice.login(server.url);
      expect(alice.config()).toEqual(
        Buffer.concat([Buffer.from(`Include "${alice.paths.config}"\n`), bytes]),
      );
      expect(statSync(alice.paths.userConfig).mode & 0o777).toBe(0o640);
      expect(readFileSync(alice.paths.backup)).toEqual(bytes);
      const { code, stdout } = await alice.sally(['ssh-config', 'uninstall']);
      expect(code).toBe(0);
      expect(stdout).toContain('the rest of the file is as it was');
      expect(alice.config()).toEqual(bytes);
      expect(statSync(alice.paths.userConfig).mode & 0o777).toBe(0o640);
      expect(
        [alice.paths.config, alice.paths.hosts, alice.paths.fresh].map((path) => alice.has(path)),
      ).toEqual([false, false, false]);
    },
  );

  test('[abuse 125] keeps what the person wrote between install and uninstall', async () => {
    const alice = somebody();
    alice.writeConfig('Host a\n');
    await alice.login(server.url);
    alice.writeConfig(`# above\n${alice.config()}Host b\n`);
    await alice.sally(['ssh-config', 'uninstall']);
    expect(alice.config().toString()).toBe('# above\nHost a\nHost b\n');
  });

  test('[abuse 125] is not there after the uninstall if it was not there before', async () => {
    const alice = somebody();
    await alice.login(server.url);
    expect(statSync(alice.paths.userConfig).mode & 0o777).toBe(0o600);
    await alice.sally(['ssh-config', 'uninstall']);
    expect(alice.has(alice.paths.userConfig)).toBe(false);
    expect(alice.has(alice.paths.backup)).toBe(false);
  });

  test('[abuse 125] gets the line at the top again where it was moved below a Host', async () => {
    const alice = somebody();
    await alice.login(server.url);
    const line = alice.config().toString();
    alice.writeConfig(`Host a\n${line}Port 2\n`);
    await alice.sally(['ssh-config', 'install']);
    expect(alice.config().toString()).toBe(`${line}Host a\nPort 2\n`);
  });

  test('[abuse 125] ends in no loop where it includes our config a second time', async () => {
    const alice = somebody();
    alice.writeConfig(`Host x\nInclude ${alice.paths.config}\nHost *\nPort 2200\n`);
    await alice.login(server.url);
    expect(alice.sshOptions('example.com').get('port')).toEqual(['2200']);
    expect(alice.sshOptions('shop-production--web.sallyport').get('port')).toEqual(['8423']);
  });

  test('[seeds 55] is backed up once, as it was before the first change', async () => {
    const alice = somebody();
    alice.writeConfig('Host first\n');
    await alice.login(server.url);
    await alice.sally(['ssh-config', 'uninstall']);
    alice.writeConfig('Host second\n');
    await alice.sally(['ssh-config', 'install']);
    expect(readFileSync(alice.paths.backup, 'utf8')).toBe('Host first\n');
    expect(statSync(alice.paths.backup).mode & 0o777).toBe(0o600);
  });

  test('[seeds 55] stays a symbolic link; its target is replaced in its own folder', async () => {
    const alice = somebody();
    const dotfiles = join(alice.home, 'dotfiles');
    mkdirSync(dotfiles);
    mkdirSync(alice.paths.sshFolder, { mode: 0o700 });
    writeFileSync(join(dotfiles, 'ssh'), ownConfig, { mode: 0o644 });
    symlinkSync('../dotfiles/ssh', alice.paths.userConfig);
    await alice.login(server.url);
    expect(readlinkSync(alice.paths.userConfig)).toBe('../dotfiles/ssh');
    expect(readFileSync(join(dotfiles, 'ssh'), 'utf8')).toBe(`Include "${alice.paths.config}"\n${ownConfig}`);
    expect(statSync(join(dotfiles, 'ssh')).mode & 0o777).toBe(0o644);
    await alice.sally(['ssh-config', 'uninstall']);
    expect(lstatSync(alice.paths.userConfig).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(dotfiles, 'ssh'), 'utf8')).toBe(ownConfig);
  });

  test('leaves another hard link to it alone', async () => {
    const alice = somebody();
    alice.writeConfig(ownConfig);
    const other = join(alice.home, 'other');
    linkSync(alice.paths.userConfig, other);
    await alice.login(server.url);
    expect(readFileSync(other, 'utf8')).toBe(ownConfig);
  });

  test('is not read from a device, and the message says what line it needs where it cannot be written', async () => {
    const alice = somebody();
    mkdirSync(alice.paths.sshFolder, { mode: 0o700 });
    symlinkSync('/dev/null', alice.paths.userConfig);
    const { code, stderr } = await alice.sally(['login', '--server', server.url]);
    expect(code).toBe(6);
    expect(stderr).toContain(`${alice.paths.userConfig} is not a regular file`);
  });

  test('is silent for ssh after everything of ours was deleted by hand', async () => {
    const alice = somebody();
    await alice.login(server.url);
    run('rm', ['-rf', alice.paths.folder]);
    const { code, stderr } = alice.ssh(['-G', 'example.com']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});
