// What `npm test` runs: every suite, with everything that it needs, from a bare machine.
//
//   npm test                            all suites
//   npm test -- SUITE [jest options]    one suite; what a name filter leaves out does not count as failed
//   npm test -- --keep                  leave the cluster up at the end
//
// The last line is `N passed, N failed`. A test that was skipped has failed, and so has a suite without tests.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { clusterDown, clusterHosts, clusterPrepare, clusterUp } from './cluster/cluster.mjs';
import { ensureAnsible } from './setup/ansible.mjs';
import { ensureInstalled } from './setup/install.mjs';
import { ensurePrograms } from './setup/packages.mjs';
import { cacheDirectory, interrupt, interruption, root, run, step } from './setup/process.mjs';

const minute = 60_000;
const totalDeadline = 75 * minute;

/** In the order in which they run: a suite that needs nothing comes first, so that images are built meanwhile. */
const suites = [
  { name: 'unit', needs: [], deadline: 15 * minute },
  { name: 'openssh', needs: [], deadline: 15 * minute },
  { name: 'inventory', needs: ['ansible'], deadline: 10 * minute },
  { name: 'cli', needs: ['ansible'], deadline: 15 * minute },
  { name: 'cluster', needs: ['ansible', 'cluster'], deadline: 45 * minute },
  { name: 'faults', needs: ['cluster'], deadline: 25 * minute },
];

/** What tests of every suite call, and the Debian package of each. */
const programs = {
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  'ssh-agent': 'openssh-client',
  sshd: 'openssh-server',
  python3: 'python3',
  pgrep: 'procps',
};

const count = { passed: 0, failed: 0 };

async function main(programArguments) {
  const keep = programArguments.includes('--keep');
  const [name, ...jestOptions] = programArguments.filter((argument) => argument !== '--keep');
  const chosen = suites.filter((suite) => name === undefined || suite.name === name);
  if (chosen.length === 0)
    throw new Error(`no suite ${name}; there are ${suites.map((suite) => suite.name).join(', ')}`);
  const needs = (what) => chosen.some((suite) => suite.needs.includes(what));

  const leaveUp = keep || (needs('cluster') && (await clusterHosts()).length > 0);
  // Packages and images take minutes and hardly any of our processor time.
  const prepared = needs('cluster') ? later(clusterPrepare()) : undefined;
  try {
    await ensureInstalled();
    await step('npm run build', () => run('npm', ['run', 'build'], { deadline: 10 * minute }));
    await ensurePrograms(programs);
    const env = needs('ansible') ? { LSBACKUP_TEST_ANSIBLE: await ensureAnsible() } : {};
    for (const suite of chosen.filter((suite) => !suite.needs.includes('cluster')))
      await runSuite(suite, jestOptions, env);
    if (prepared) {
      await prepared();
      await clusterUp();
      for (const suite of chosen.filter((suite) => suite.needs.includes('cluster')))
        await runSuite(suite, jestOptions, env);
    }
  } finally {
    await prepared?.().catch(() => {}); // nothing may go on installing while we remove
    if (prepared && !leaveUp) await clusterDown();
  }
}

/** Lets work go on in the background; its failure is heard of when the returned function is called. */
function later(work) {
  const settled = work.then(
    () => undefined,
    (error) => error,
  );
  return async () => {
    const error = await settled;
    if (error) throw error;
  };
}

async function runSuite({ name, needs, deadline }, jestOptions, env) {
  const outputFile = join(cacheDirectory, 'test-results', `${name}.json`);
  mkdirSync(join(cacheDirectory, 'test-results'), { recursive: true });
  rmSync(outputFile, { force: true });
  const jest = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    join(root, 'node_modules/jest/bin/jest.js'),
  ];
  const options = [
    '--selectProjects',
    name,
    '--json',
    '--outputFile',
    outputFile,
    // Tests of the cluster share its hosts; the others wait for processes more than they compute.
    ...(needs.includes('cluster') ? ['--runInBand'] : ['--maxWorkers=2']),
  ];
  let problem;
  await step(`suite ${name}`, () =>
    run('node', [...jest, ...options, ...jestOptions], { env, deadline, showErrors: true }).catch((error) => {
      problem = error;
    }),
  );
  const result = counted(outputFile, jestOptions.length > 0);
  if (result.passed === 0 || (problem && result.failed === 0)) {
    result.failed += 1;
    console.log(`suite ${name}: ${problem ? problem.message.split('\n')[0] : 'no test was run'}`);
  }
  count.passed += result.passed;
  count.failed += result.failed;
  console.log(`    suite ${name}: ${result.passed} passed, ${result.failed} not passed`);
  if (interruption.aborted) throw interruption.reason;
}

function counted(outputFile, filtered) {
  try {
    const result = JSON.parse(readFileSync(outputFile, 'utf8'));
    const skipped = filtered ? 0 : result.numPendingTests + result.numTodoTests;
    return {
      passed: result.numPassedTests,
      failed: result.numFailedTests + result.numRuntimeErrorTestSuites + skipped,
    };
  } catch {
    return { passed: 0, failed: 0 }; // without a readable result no test counts; the caller makes that a failure
  }
}

const statusOfSignal = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
let status = 0;
for (const [signal, number] of Object.entries(statusOfSignal)) {
  process.on(signal, () => {
    status = number;
    interrupt(`stopped by ${signal}`);
  });
}
setTimeout(() => interrupt(`the tests took longer than ${totalDeadline / minute} minutes`), totalDeadline).unref();

try {
  await main(process.argv.slice(2));
} catch (error) {
  count.failed += 1;
  console.error(`\nerror: ${error.message}`);
}
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exitCode = status || (count.failed > 0 || count.passed === 0 ? 1 : 0);
