import type { BackupError } from '../../model/errors.js';
import { parseJumps } from './ssh-names.js';

/** Where an option is written: makes the errors about it. Messages never quote a value: it may be a password, or hold one. */
export interface OptionPlace {
  /** The option as messages name it, with where to look: `ForwardAgent (/home/me/.ssh/config:3)`. */
  named(option: string): string;
  /** A value that makes no sense. */
  fault(message: string): BackupError;
  /** A value that makes sense, but not to this version. */
  refusal(message: string, hint: string): BackupError;
}

/** One option as ssh sees it, from a command line or a configuration file. */
export interface SshOption {
  /** The ssh_config keyword in lower case, also for a flag that means one; `-F` and `-W`, which mean none. */
  readonly keyword: string;
  readonly words: readonly string[];
  /** The value as one text, for commands and jumps. */
  readonly text: string;
  /** For messages: `-o ForwardAgent`, without the value. */
  readonly written: string;
  readonly place: OptionPlace;
  /** It counts even where the option is set already (`-c`, `-m`). */
  readonly overrides: boolean;
}

/** Other names of keywords. Source: the table `keywords` in OpenSSH's readconf.c. */
const keywordByAlias: ReadonlyMap<string, string> = new Map([
  ['challengeresponseauthentication', 'kbdinteractiveauthentication'],
  ['skeyauthentication', 'kbdinteractiveauthentication'],
  ['tisauthentication', 'kbdinteractiveauthentication'],
  ['dsaauthentication', 'pubkeyauthentication'],
  ['identityfile2', 'identityfile'],
  ['smartcarddevice', 'pkcs11provider'],
]);

export function canonicalKeyword(name: string): string {
  const keyword = name.toLowerCase();
  return keywordByAlias.get(keyword) ?? keyword;
}

function keywords(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

/** Keywords that become a part of a `Login`, or of the way to it. */
const honoured = keywords(`
  hostname port user proxyjump proxycommand identityfile certificatefile identitiesonly identityagent
  userknownhostsfile globalknownhostsfile hostkeyalias stricthostkeychecking hashknownhosts revokedhostkeys
  serveraliveinterval serveralivecountmax connecttimeout ciphers macs kexalgorithms hostkeyalgorithms
  preferredauthentications pubkeyauthentication passwordauthentication kbdinteractiveauthentication
  canonicalizehostname canonicaldomains canonicalizemaxdots canonicalizefallbacklocal canonicalizepermittedcnames
  ignoreunknown proxyusefdpass
`);

/** Keywords without a meaning for a program that runs commands and reads what they print: nobody could act on a warning. */
const harmless = keywords(`
  addkeystoagent batchmode cipher clearallforwardings compression compressionlevel connectionattempts controlmaster
  controlpath controlpersist dynamicforward enableescapecommandline enablesshkeysign escapechar
  exitonforwardfailure fingerprinthash forkafterauthentication forwardx11 forwardx11timeout forwardx11trusted
  gatewayports gssapiauthentication gssapidelegatecredentials hostbasedacceptedalgorithms hostbasedkeytypes ipqos
  kbdinteractivedevices keepalive localforward loglevel logverbose numberofpasswordprompts obscurekeystroketiming
  permitlocalcommand permitremoteopen protocol rekeylimit remoteforward requesttty rhostsrsaauthentication
  rsaauthentication sendenv sessiontype stdinnull streamlocalbindmask streamlocalbindunlink syslogfacility tag
  tcpkeepalive tunneldevice updatehostkeys useprivilegedport visualhostkey xauthlocation
`);

/** Values that only say what is so anyway. */
const offValues = new Set(['no', 'false', 'none', 'any']);

/** Whether the option would change something for the user and is not followed. */
export function isIgnored(option: SshOption): boolean {
  if (honoured.has(option.keyword) || harmless.has(option.keyword) || option.keyword.startsWith('gssapi')) return false;
  return !offValues.has(option.text.toLowerCase());
}

/** Whether nobody would miss the option. */
export function isHarmless(option: SshOption): boolean {
  return !honoured.has(option.keyword) && !isIgnored(option);
}

/** Of the keywords that are followed, those that take several words; the others take one. */
const severalWords = keywords(
  'userknownhostsfile globalknownhostsfile canonicaldomains canonicalizepermittedcnames proxyjump proxycommand',
);

/** Throws a fault of the option's place where ssh would not take the value whatever it is for. */
export function checkOption(option: SshOption): void {
  if (!honoured.has(option.keyword)) return;
  if (option.words.length === 0 || option.words.includes(''))
    throw option.place.fault(`${option.keyword} has no value`);
  if (option.words.length > 1 && !severalWords.has(option.keyword)) {
    throw option.place.fault(`${option.keyword} takes one value, and quotes around one with spaces`);
  }
  if (option.words.length > 1 && isFileList(option) && option.words.some((word) => word.toLowerCase() === 'none')) {
    throw option.place.fault(`"none" must stand alone in ${option.keyword}`);
  }
  if (option.keyword === 'proxyjump' && parseJumps(option.text) === undefined) {
    throw option.place.fault('ProxyJump names no server that ssh would take');
  }
}

function isFileList({ keyword }: SshOption): boolean {
  return keyword === 'userknownhostsfile' || keyword === 'globalknownhostsfile';
}
