import type { Become } from '../cluster/cluster.js';
import { BackupError } from '../model/errors.js';
import { becomeMarker, questionPrefix } from './become.js';
import { passwordNeeded, passwordRefused, passwordWithheld, type BecomePlace } from './become-errors.js';

/** What su of util-linux and of busybox, and the modules of PAM, ask under LC_ALL=C. */
const suQuestion = /password[^\n:]*: ?$/i;
/** The answer that sudo 1.8 takes (SUDO_CONV_REPL_MAX); what it left would become the command's input. */
const longestPassword = 255;

export type OutputName = 'stdout' | 'stderr';

/** Whether the host may ask something before the command begins, so that its input has to wait. */
export function mayAsk(become: Become | undefined): become is Become {
  return become !== undefined && (become.method === 'su' || become.password !== undefined);
}

/**
 * Talks with sudo or su until the command begins: gives the password when it is asked for, and once only, so that a wrong one does not
 * lock an account. (sudo asks again, and the end of its input, all that it can be given then, counts as a second failure with pam_faillock.)
 */
export class BecomeDialogue {
  readonly #marker: string;
  readonly #become: Become;
  readonly #place: BecomePlace;
  readonly #answer: (line: string) => void;
  /** Characters of each output that came before the answer. */
  readonly #dealtWith: Record<OutputName, number> = { stdout: 0, stderr: 0 };
  #answered = false;
  #isAsked = false;

  constructor(options: {
    readonly marker: string;
    readonly become: Become;
    readonly place: BecomePlace;
    readonly answer: (line: string) => void;
  }) {
    this.#marker = options.marker;
    this.#become = options.become;
    this.#place = options.place;
    this.#answer = options.answer;
  }

  /** A question is open and will not be answered: the command cannot begin any more. */
  get isAsked(): boolean {
    return this.#isAsked;
  }

  /** Called with all that came on an output so far. The error when there is no answer to a question: HOST_SUDO, or HOST_KEY where the host may be another. */
  hear(output: OutputName, text: string): BackupError | undefined {
    const said = textOfBecome(text, this.#marker);
    if (said === undefined || !this.#isQuestion(said.slice(this.#dealtWith[output]))) return undefined;
    const { password } = this.#become;
    const problem = this.#problem(said, password?.reveal());
    this.#isAsked = problem !== undefined;
    if (problem !== undefined || password === undefined) return problem;
    this.#answered = true;
    this.#dealtWith[output] = said.length;
    this.#answer(`${firstLine(password.reveal())}\n`);
    return undefined;
  }

  #problem(said: string, password: string | undefined): BackupError | undefined {
    if (password === undefined) return passwordNeeded(this.#place);
    if (this.#place.isDoubtful === true) return passwordWithheld(this.#place);
    if (this.#answered) return passwordRefused(this.#place, { said, user: this.#askedUser(said) });
    if (Buffer.byteLength(firstLine(password)) <= longestPassword) return undefined;
    const { host, method } = this.#place;
    return new BackupError('HOST_SUDO', `${host}: the password is longer than ${longestPassword} bytes.`, {
      host,
      hint: `${method} does not read a longer one from its standard input.`,
    });
  }

  #isQuestion(text: string): boolean {
    return this.#become.method === 'su' ? suQuestion.test(text) : text.includes(questionPrefix(this.#marker));
  }

  /** Whose password is asked for. */
  #askedUser(said: string): string {
    if (this.#become.method === 'su') return 'root';
    const names = [...said.matchAll(new RegExp(`${questionPrefix(this.#marker)}([^:\n]*):`, 'g'))];
    const user = names.at(-1)?.[1];
    return user === undefined || user === '%p' ? this.#place.login : user;
  }
}

/** What sudo or su said on an output; undefined: it has not been started. */
export function textOfBecome(text: string, marker: string): string | undefined {
  const line = `${becomeMarker(marker)}\n`;
  const start = text.indexOf(line);
  return start < 0 ? undefined : text.slice(start + line.length);
}

/** A text as people should see it: without what is there for us alone. */
export function withoutMarkers(text: string, marker: string): string {
  return text
    .replaceAll(`${becomeMarker(marker)}\n`, '')
    .replaceAll(new RegExp(`${questionPrefix(marker)}[^:\n]*:`, 'g'), '');
}

/** A password in a vault often ends in a line break, and neither program reads further. */
function firstLine(password: string): string {
  return password.split(/[\r\n]/, 1)[0] ?? '';
}
