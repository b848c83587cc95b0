import type { Authentication, HostKeyPolicy, LocalUser, Login } from '../cluster.js';
import type { Secret } from '../../model/secret.js';
import { fileTokens, localPath } from './local-path.js';
import { plainLogin } from './plain-connection.js';
import { isUserName, portNumber } from './ssh-names.js';
import type { SshOption } from './ssh-options.js';
import type { ResolvedOptions } from './ssh-resolution.js';

/** What no option of ssh holds. */
export interface LoginSecrets {
  readonly password: Secret | undefined;
  readonly passphrase: Secret | undefined;
}

/** A server to log in to, without the way there. Throws the fault of a place for a value that ssh would not take. */
export function loginOf(resolved: ResolvedOptions, localUser: LocalUser, secrets: LoginSecrets): Login {
  const values = new Values(resolved);
  const port = values.port();
  const user = values.user();
  const alias = values.text('hostkeyalias')?.toLowerCase();
  const tokens = (): ReadonlyMap<string, string> =>
    fileTokens(localUser, {
      name: resolved.name,
      host: resolved.host,
      port,
      user: user ?? localUser.name,
      alias: alias ?? resolved.name,
    });
  // No limit, as ssh has it: the one that this program has anyway counts.
  const limit = values.seconds('connecttimeout');
  const pathOf = (name: string, option: SshOption): string => localPath(name, localUser, tokens, option);
  return {
    ...plainLogin(resolved.host),
    ...secrets,
    port,
    user,
    identityFiles: identityFiles(resolved.identityFiles, pathOf),
    certificateFiles: identityFiles(resolved.certificateFiles, pathOf) ?? [],
    identitiesOnly: values.flag('identitiesonly') ?? false,
    agentSocket: agentSocket(resolved.option('identityagent'), localUser, pathOf),
    authentications: authentications(values),
    hostKeys: { ...hostKeys(values, resolved, pathOf), alias },
    algorithms: {
      ciphers: values.text('ciphers'),
      keyExchange: values.text('kexalgorithms'),
      macs: values.text('macs'),
      hostKeys: values.text('hostkeyalgorithms'),
    },
    keepAliveSeconds: values.seconds('serveraliveinterval'),
    keepAliveCount: values.count('serveralivecountmax'),
    connectSeconds: limit === 0 ? undefined : limit,
  };
}

type PathOf = (name: string, option: SshOption) => string;

/** The values of options, as ssh reads them. */
class Values {
  constructor(private readonly resolved: ResolvedOptions) {}

  text(keyword: string): string | undefined {
    return this.resolved.option(keyword)?.words[0];
  }

  /** Source: the tables multistate_* in OpenSSH's readconf.c; `unbound` and `host-bound` are ways to use public keys. */
  flag(keyword: string): boolean | undefined {
    return this.choice(keyword, { yes: true, true: true, no: false, false: false, unbound: true, 'host-bound': true });
  }

  choice<Value>(keyword: string, values: Readonly<Record<string, Value>>): Value | undefined {
    const option = this.resolved.option(keyword);
    if (option === undefined) return undefined;
    const word = (option.words[0] ?? '').toLowerCase();
    if (Object.hasOwn(values, word)) return values[word];
    throw option.place.fault(`${keyword} has a value that ssh does not know`);
  }

  port(): number {
    const option = this.resolved.option('port');
    if (option === undefined) return 22;
    const port = portNumber(option.words[0] ?? '');
    if (port === undefined) throw option.place.fault('the port is no number from 1 to 65535');
    return port;
  }

  user(): string | undefined {
    const option = this.resolved.option('user');
    if (option !== undefined && !isUserName(option.words[0] ?? '')) {
      throw option.place.fault('the user name has characters that ssh does not take');
    }
    return option?.words[0];
  }

  /** A whole number in decimal digits, as ssh takes it (parse_int in OpenSSH's readconf.c). */
  count(keyword: string): number | undefined {
    const option = this.resolved.option(keyword);
    if (option === undefined) return undefined;
    const text = option.words[0] ?? '';
    const count = Number(text);
    if (/^[0-9]{1,10}$/.test(text) && count < 2 ** 31) return count;
    throw option.place.fault(`${keyword} is no number from 0`);
  }

  /** ssh's times: `60`, `90s`, `1h30m`; `none` is none. Source: sshd_config(5), TIME FORMATS. */
  seconds(keyword: string): number | undefined {
    const option = this.resolved.option(keyword);
    const text = option?.words[0] ?? 'none';
    if (option === undefined || text === 'none') return undefined;
    const parts = [...text.matchAll(/([0-9]{1,9})([smhdw]?)/gi)];
    if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
      throw option.place.fault(`${keyword} is no time`);
    }
    const units: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800 };
    return parts.reduce((sum, [, digits, unit = '']) => sum + Number(digits) * (units[unit.toLowerCase()] ?? 1), 0);
  }
}

function identityFiles(options: readonly SshOption[], pathOf: PathOf): readonly string[] | undefined {
  if (options.length === 0) return undefined;
  const named = options.filter(({ words }) => words[0]?.toLowerCase() !== 'none');
  return [...new Set(named.map((option) => pathOf(option.words[0] ?? '', option)))];
}

/** Source: ssh_config(5), IdentityAgent. */
function agentSocket(option: SshOption | undefined, localUser: LocalUser, pathOf: PathOf): string | undefined {
  const value = option?.words[0] ?? 'SSH_AUTH_SOCK';
  if (option === undefined || ['SSH_AUTH_SOCK', '$SSH_AUTH_SOCK', '${SSH_AUTH_SOCK}'].includes(value)) return undefined;
  if (value.toLowerCase() === 'none') return 'none';
  if (/^\$[^{]/.test(value)) {
    throw option.place.refusal('the socket of the agent stands in the environment', "Write the socket's path out.");
  }
  return pathOf(value, option);
}

const knownAuthentications = ['publickey', 'keyboard-interactive', 'password'] as const;

/** In the order of PreferredAuthentications, without what is turned off. ssh's other ways are not known here. */
function authentications(values: Values): readonly Authentication[] {
  const enabled = {
    publickey: values.flag('pubkeyauthentication') ?? true,
    'keyboard-interactive': values.flag('kbdinteractiveauthentication') ?? true,
    password: values.flag('passwordauthentication') ?? true,
  };
  const preferred = values.text('preferredauthentications')?.split(',') ?? knownAuthentications;
  const known = preferred.flatMap((name) =>
    knownAuthentications.filter((authentication) => authentication === name.trim()),
  );
  return [...new Set(known)].filter((authentication) => enabled[authentication]);
}

function hostKeys(values: Values, resolved: ResolvedOptions, pathOf: PathOf): Omit<HostKeyPolicy, 'alias'> {
  const files = (keyword: string): readonly string[] | undefined => {
    const option = resolved.option(keyword);
    if (option === undefined) return undefined;
    if (option.words[0]?.toLowerCase() === 'none') return [];
    return option.words.map((name) => pathOf(name, option));
  };
  const revoked = resolved.option('revokedhostkeys');
  const strict = {
    yes: 'yes',
    true: 'yes',
    ask: 'yes',
    no: 'no',
    false: 'no',
    off: 'no',
    'accept-new': 'accept-new',
  } as const;
  return {
    userFiles: files('userknownhostsfile'),
    globalFiles: files('globalknownhostsfile'),
    // A program that cannot ask a person is as strict as `yes`.
    strict: values.choice('stricthostkeychecking', strict) ?? 'yes',
    hash: values.flag('hashknownhosts') ?? false,
    revokedFile:
      revoked === undefined || revoked.words[0]?.toLowerCase() === 'none'
        ? undefined
        : pathOf(revoked.words[0] ?? '', revoked),
  };
}
