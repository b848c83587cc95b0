import { isIP } from 'node:net';

import type { LocalUser } from '../cluster.js';
import type { Condition, ConfigFile } from './ssh-config-file.js';
import { matches } from './ssh-match.js';
import { canonicalHost, parseJumps } from './ssh-names.js';
import { checkOption, isHarmless, isIgnored } from './ssh-options.js';
import type { OptionPlace, SshOption } from './ssh-options.js';
import { fitsPatterns, matchesPatternList } from './ssh-patterns.js';
import { expandTokens } from './ssh-tokens.js';

export interface ResolutionRequest {
  /** The host as it stands on ssh's command line, without user and port. */
  readonly name: string;
  /** Of the command line, in order. */
  readonly options: readonly SshOption[];
  readonly files: readonly ConfigFile[];
  readonly localUser: LocalUser;
  /** Whether ssh itself will read the same files again: then what only ssh can decide is left to it. */
  readonly decidedBySsh: boolean;
}

/** What ssh would do: the options that count, as `ssh -G` shows them. */
export interface ResolvedOptions {
  /** As on the command line (`%n`). */
  readonly name: string;
  /** The name or address to connect to (`%h`). */
  readonly host: string;
  /** The option that counts, by keyword; `proxy` for `ProxyJump` and `ProxyCommand`, of which the first one counts. */
  readonly option: (keyword: string) => SshOption | undefined;
  readonly identityFiles: readonly SshOption[];
  readonly certificateFiles: readonly SshOption[];
  /** What is set, would change something and is not followed. */
  readonly ignored: readonly string[];
}

/** Whether the lines that follow count; a place: that of a `Match` that only ssh itself can decide. */
type Active = boolean | OptionPlace;

const unansweredHint =
  'Set lsbackup_transport=openssh for the host: the ssh program of the system connects then, and decides it by itself.';

/** Keywords that decide which machine is reached and whether it is trusted. */
const deciding = new Set(
  'hostname port user proxy hostkeyalias stricthostkeychecking userknownhostsfile globalknownhostsfile revokedhostkeys'.split(
    ' ',
  ),
);

/**
 * The options that count for a host: the first value of each keyword, from the command line, then from the files. Source: ssh_config(5);
 * main in OpenSSH's ssh.c; compared with `ssh -G` in the tests. Throws the fault of a place for a value that ssh would not take, and
 * its refusal where a condition that only ssh can answer (`Match exec`, a name to be canonicalized) would decide the way to the host.
 */
export function resolveOptions(request: ResolutionRequest): ResolvedOptions {
  return new Resolution(request).resolve();
}

class Resolution {
  private readonly taken = new Map<string, SshOption>();
  private readonly identityFiles = new Map<string, SshOption>();
  private readonly certificateFiles = new Map<string, SshOption>();
  private readonly skipped = new Set<OptionPlace>();
  private host: string;
  private finalPass = false;
  private wantsFinalPass = false;

  constructor(private readonly request: ResolutionRequest) {
    this.host = request.name;
  }

  resolve(): ResolvedOptions {
    for (const option of this.request.options) this.take(option, true);
    for (const file of this.request.files) this.readFile(file, true);
    this.host = canonicalHost(this.namedHost());
    if (this.canonicalizes() || this.wantsFinalPass) {
      this.finalPass = true;
      for (const file of this.request.files) this.readFile(file, true);
    }
    return {
      name: this.request.name,
      host: this.host,
      option: (keyword) => this.taken.get(keyword),
      identityFiles: [...this.identityFiles.values()],
      certificateFiles: [...this.certificateFiles.values()],
      ignored: this.ignored(),
    };
  }

  private readFile(file: ConfigFile, outside: Active): void {
    for (const { condition, entries } of file.blocks) {
      const active = condition === undefined ? outside : within(outside, this.answer(condition));
      for (const entry of entries) {
        if (entry.kind === 'option') this.take(entry.option, active, file.ofUser);
        else for (const included of entry.files) this.readFile(included, active);
      }
    }
  }

  private answer(condition: Condition): Active {
    if (condition.kind === 'host') return fitsPatterns(this.host, condition.patterns);
    this.wantsFinalPass ||= condition.criteria.some(({ attribute }) => attribute === 'final');
    const answer = matches(condition.criteria, this.subject());
    return answer === 'undecided' ? condition.place : answer;
  }

  private take(option: SshOption, active: Active, ofUser = true): void {
    if (active === false) return;
    const slot = option.keyword === 'proxyjump' || option.keyword === 'proxycommand' ? 'proxy' : option.keyword;
    if (active !== true) {
      this.takeUndecided(option, slot, active);
      return;
    }
    checkOption(option);
    if (slot === 'identityfile' || slot === 'certificatefile') {
      const files = slot === 'identityfile' ? this.identityFiles : this.certificateFiles;
      const key = `${ofUser ? 'user' : 'system'} ${option.words[0] ?? ''}`;
      if (!files.has(key)) files.set(key, option);
      return;
    }
    const known = this.taken.get(slot);
    const fills = known === undefined || option.overrides || (slot === 'proxy' && yieldsTo(known, option));
    if (fills) this.taken.set(slot, option);
  }

  private takeUndecided(option: SshOption, slot: string, condition: OptionPlace): void {
    if (this.request.decidedBySsh || this.taken.has(slot)) return;
    if (deciding.has(slot)) {
      throw condition.refusal(
        'only ssh itself can tell whether this Match applies, and it may set how the host is reached',
        unansweredHint,
      );
    }
    if (!isHarmless(option)) this.skipped.add(condition);
  }

  private subject() {
    return {
      originalHost: this.request.name,
      host: this.finalPass ? this.host : this.namedHost(),
      user: this.taken.get('user')?.words[0] ?? this.request.localUser.name,
      localUser: this.request.localUser.name,
      finalPass: this.finalPass,
    };
  }

  private namedHost(): string {
    const option = this.taken.get('hostname');
    if (option === undefined) return this.request.name;
    return expandTokens(option.words[0] ?? '', new Map([['h', this.request.name]]), option.place);
  }

  /** Whether ssh reads the files again because of a canonical name. That it would have to ask the network for one is refused. */
  private canonicalizes(): boolean {
    const word = (keyword: string): string => this.taken.get(keyword)?.words[0]?.toLowerCase() ?? 'no';
    const wanted = word('canonicalizehostname');
    const always = wanted === 'always';
    const isWanted = always || wanted === 'yes' || wanted === 'true';
    const aliases = !['no', 'none'].includes(word('canonicalizepermittedcnames'));
    const proxy = this.taken.get('proxy');
    const isDirect = proxy === undefined || proxy.text.toLowerCase() === 'none';
    const dots = this.host.split('.').length - 1;
    const asks =
      aliases ||
      (isWanted &&
        (this.host.endsWith('.') ||
          (dots <= Number(this.taken.get('canonicalizemaxdots')?.words[0] ?? 1) &&
            !['no', 'none'].includes(word('canonicaldomains')))));
    if (asks && (isDirect || always) && isIP(this.host) === 0 && !this.request.decidedBySsh) {
      const place = (this.taken.get('canonicalizehostname') ?? this.taken.get('canonicalizepermittedcnames'))?.place;
      if (place !== undefined) {
        throw place.refusal('only ssh itself can find the canonical name of the host', unansweredHint);
      }
    }
    return isWanted;
  }

  private ignored(): string[] {
    const unknown = this.taken.get('ignoreunknown')?.words[0] ?? '';
    const options = [...this.taken.values()].filter(
      (option) => isIgnored(option) && !matchesPatternList(option.keyword, unknown, { lowerPatterns: true }),
    );
    return [
      ...options.map(({ written }) => written),
      ...[...this.skipped].map((place) => place.named('a Match that only ssh can decide')),
    ];
  }
}

/** Lines of an included file, or of a block in it, count only where the `Include` does. */
function within(outside: Active, inside: Active): Active {
  if (outside === false || inside === false) return false;
  return outside === true ? inside : outside;
}

/** `ProxyJump none` leaves the way open for a `ProxyCommand`, and for no other `ProxyJump`. */
function yieldsTo(known: SshOption, option: SshOption): boolean {
  return known.keyword === 'proxyjump' && option.keyword === 'proxycommand' && parseJumps(known.text)?.length === 0;
}
