import type ssh2 from 'ssh2';
import type { AnyAuthMethod, AuthHandlerMiddleware, KeyboardInteractiveAuthMethod } from 'ssh2';
import type { Authentication, Login } from '../../cluster/cluster.js';
import type { Secret } from '../../model/secret.js';
import type { Identities, KeyOffer } from './identity.js';
import { keyAgent } from './key-agent.js';
import { KeyProblem } from './key-problem.js';
import type { LoginClock } from './login-clock.js';
import { judgePrompts } from './password-prompt.js';
import type { PromptProblem } from './password-prompt.js';

/** Seconds; the least that a LoginGraceTime can be. */
const longWait = 1;

export interface AuthenticatorOptions {
  readonly ssh2: Pick<typeof ssh2, 'BaseAgent'>;
  readonly login: Login;
  readonly username: string;
  readonly identities: Identities;
  /** Stands while a person or an agent is waited for. */
  readonly clock: Pick<LoginClock, 'pause' | 'resume'>;
}

interface Attempt {
  readonly way: 'none' | Authentication;
  /** For messages. */
  readonly what: string;
  /** `proved`: the server took the key, and got its signature. `unusable`: it took the key, but that does not sign. */
  key: 'offered' | 'proved' | 'unusable';
  answered: boolean;
}

/**
 * Which way to log in comes next. As ssh does, it asks what the server offers before it offers anything itself, and goes through its own
 * ways in their order (sshconnect2.c, ssh_userauth2 and authmethod_get). Unlike ssh with a person in front of it, it does not give a
 * password again that was refused: a few more lock the account on many servers.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #offers: KeyOffer[];
  readonly #passwordWays = new Set<Authentication>();
  readonly #end = new AbortController();
  #current: Attempt | undefined;
  #waitingSince: number | undefined;
  #waited = 0;
  #mayGivePassword = true;
  /** For messages, in order. */
  readonly tried: string[] = [];
  readonly problems: KeyProblem[];
  /** The ways that the server said last can go on. */
  offered: readonly string[] = [];
  /** What else a message should say. */
  readonly notes: string[] = [];
  passwordRefused = false;
  /** What the server asks for that cannot be given. */
  prompt: PromptProblem | undefined;
  /** Called when there is such a thing: the attempt is over. */
  onProblem: () => void = () => undefined;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#offers = [...options.identities.offers];
    this.problems = [...options.identities.problems];
  }

  /** Whether a person or an agent takes or took so long that the server may have given up (sshd_config(5), LoginGraceTime). */
  get hasWaited(): boolean {
    return this.#waitingSince !== undefined || this.#waited > longWait * 1000;
  }

  /** The server may be another than the one that the password is for. */
  forbidPasswords(): void {
    if (this.#options.login.password === undefined) return;
    this.#mayGivePassword = false;
    this.notes.push('no password is given to a server whose key is not the known one');
  }

  /** Of the connection: nothing is answered any more. */
  end(): void {
    this.#end.abort();
  }

  /** ssh2's `authHandler`. */
  readonly next: AuthHandlerMiddleware = (methods, partial, next) => {
    this.#settle(methods, partial);
    const method = this.#choose();
    // ssh2 takes false for "nothing more to try"; its type does not say so.
    next(method ?? (false as unknown as 'none'));
  };

  /** ssh2 keeps to itself what a server answers to the key of an agent, but tells it to its `debug` option. */
  readonly debug = (line: string): void => {
    const methods = /^Inbound: Received USERAUTH_FAILURE \((.*)\)$/.exec(line)?.[1];
    if (methods !== undefined) this.offered = methods.split(',').filter((method) => method !== '');
  };

  /** The server wants another password instead of the one it got (SSH_MSG_USERAUTH_PASSWD_CHANGEREQ). */
  readonly onChangeRequest = (): void => this.#giveUp({ kind: 'expired', text: '' });

  /** `methods` and `partial` are null at first, and what they were before after the key of an agent. */
  #settle(methods: readonly string[] | null, partial: boolean | null): void {
    const current = this.#current;
    if (current === undefined || current.key === 'unusable') return;
    if (current.way !== 'publickey' && methods !== null) this.offered = methods;
    if (current.way === 'none') return;
    const accepted = current.way === 'publickey' ? current.key === 'proved' : partial === true;
    this.tried.push(accepted ? `${current.what} (accepted, but not enough)` : current.what);
    if (!accepted && current.answered) this.passwordRefused = true;
  }

  #choose(): AnyAuthMethod | undefined {
    const { login, username } = this.#options;
    if (this.#current === undefined) {
      this.#current = { way: 'none', what: '', key: 'offered', answered: false };
      return { type: 'none', username };
    }
    for (const way of login.authentications) {
      if (!this.offered.includes(way)) continue;
      const method = way === 'publickey' ? this.#nextKey() : this.#givePassword(way);
      if (method !== undefined) return method;
    }
    return undefined;
  }

  #nextKey(): AnyAuthMethod | undefined {
    const offer = this.#offers.shift();
    if (offer === undefined) return undefined;
    const { username, ssh2 } = this.#options;
    const attempt: Attempt = { way: 'publickey', what: offer.label, key: 'offered', answered: false };
    this.#current = attempt;
    const agent = keyAgent(ssh2, {
      publicKey: () => this.#wait(attempt, () => offer.publicKey()),
      sign: async (data, hash) => {
        const signature = await this.#wait(attempt, () => offer.sign(data, hash, this.#end.signal));
        attempt.key = 'proved';
        return signature;
      },
    });
    return { type: 'agent', username, agent };
  }

  #givePassword(way: 'password' | 'keyboard-interactive'): AnyAuthMethod | undefined {
    const { username, login } = this.#options;
    const { password } = login;
    if (password === undefined || !this.#mayGivePassword) return undefined;
    if (this.passwordRefused || this.#passwordWays.has(way)) return undefined;
    this.#passwordWays.add(way);
    if (way === 'password') {
      this.#current = { way, what: 'the password', key: 'offered', answered: true };
      return { type: way, username, password: password.reveal() };
    }
    const attempt: Attempt = { way, what: 'the password (keyboard-interactive)', key: 'offered', answered: false };
    this.#current = attempt;
    return { type: way, username, prompt: this.#answer(attempt, password) };
  }

  /** The password for the one question that it answers. A server that asks anything else needs a person. */
  #answer(attempt: Attempt, password: Secret): KeyboardInteractiveAuthMethod['prompt'] {
    return (...[, instructions, , prompts, finish]) => {
      const problem = judgePrompts({ instructions, prompts }, attempt.answered);
      if (problem?.kind === 'again') this.#settle(null, false);
      if (problem !== undefined) {
        this.#giveUp(problem);
        return;
      }
      attempt.answered = true;
      finish([password.reveal()]);
    };
  }

  #giveUp(problem: PromptProblem): void {
    this.prompt = problem;
    this.onProblem();
  }

  /** Never settles once the connection is gone: ssh2 would write to what it has taken apart. */
  async #wait<Value>(attempt: Attempt, act: () => Promise<Value>): Promise<Value> {
    this.#waitingSince = performance.now();
    this.#options.clock.pause();
    try {
      return await act();
    } catch (error) {
      attempt.key = 'unusable';
      this.problems.push(asKeyProblem(error, attempt.what));
      throw error;
    } finally {
      this.#waited += performance.now() - this.#waitingSince;
      this.#waitingSince = undefined;
      this.#options.clock.resume();
      if (this.#end.signal.aborted) await new Promise(() => undefined);
    }
  }
}

function asKeyProblem(error: unknown, key: string): KeyProblem {
  if (error instanceof KeyProblem) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new KeyProblem(`${key} could not be used: ${why}`, 'Try it with: ssh-add -T', error);
}
