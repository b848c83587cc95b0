import { describe, expect, it } from '@jest/globals';
import { Secret } from '../model/secret.js';
import { FakeHost } from '../testing/fake-host.js';
import { describeCommand } from './describe-command.js';
import { execArguments, expandArguments, findServices, showCommand } from './systemd.js';

const signal = new AbortController().signal;

const debianHaproxy = `MainPID=214
ExecStart={ path=/usr/sbin/haproxy ; argv[]=/usr/sbin/haproxy -Ws -f $CONFIG -p $PIDFILE $EXTRAOPTS ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
Environment=CONFIG=/etc/haproxy/haproxy.cfg PIDFILE=/run/haproxy.pid "EXTRAOPTS=-S /run/haproxy-master.sock"
EnvironmentFiles=/etc/default/haproxy (ignore_errors=yes)
WorkingDirectory=
User=
Id=haproxy.service
LoadState=loaded
ActiveState=active
FragmentPath=/lib/systemd/system/haproxy.service
DropInPaths=/etc/systemd/system/haproxy.service.d/limits.conf /run/systemd/x.conf
`;
const missing = 'MainPID=0\nId=other.service\nLoadState=not-found\nActiveState=inactive\n';

describe('findServices', () => {
  it('takes the running process’s own arguments', async () => {
    const remote = new FakeHost({
      rules: [
        {
          argv: showCommand(['haproxy.service', 'other.service']).argv,
          answer: { stdout: `${debianHaproxy}\n${missing}` },
        },
        {
          argv: ['cat', '/proc/214/cmdline'],
          answer: { stdout: '/usr/sbin/haproxy\0-Ws\0-f\0/etc/haproxy/with space.cfg\0' },
        },
      ],
    });
    expect(await findServices(remote, ['haproxy.service', 'other.service'], signal)).toEqual([
      {
        unit: 'haproxy.service',
        state: 'active',
        running: true,
        arguments: ['/usr/sbin/haproxy', '-Ws', '-f', '/etc/haproxy/with space.cfg'],
        workingDirectory: '/',
        user: 'root',
        files: [
          '/lib/systemd/system/haproxy.service',
          '/etc/systemd/system/haproxy.service.d/limits.conf',
          '/run/systemd/x.conf',
          '/etc/default/haproxy',
        ],
      },
    ]);
  });

  it.each([
    ['masked', 'active', 1],
    ['not-found', 'active', 1],
    ['bad-setting', 'inactive', 1],
    ['masked', 'inactive', 0],
    ['not-found', 'inactive', 0],
  ])('with a unit that is %s and %s finds %d', async (load, active, count) => {
    const shown = debianHaproxy.replace('=loaded', `=${load}`).replace('=active', `=${active}`);
    const remote = new FakeHost({
      rules: [
        { argv: /^systemctl/, answer: { stdout: shown } },
        { argv: /^cat/, answer: { stdout: '' } },
      ],
    });
    expect(await findServices(remote, ['haproxy.service'], signal)).toHaveLength(count);
  });

  it('expands what the unit would start when it does not run', async () => {
    const remote = new FakeHost({
      rules: [
        { argv: /^systemctl/, answer: { stdout: debianHaproxy.replace('ActiveState=active', 'ActiveState=failed') } },
        {
          argv: ['cat', '--', '/etc/default/haproxy'],
          answer: { stdout: '# here\nCONFIG="/etc/haproxy/other.cfg"\nexport X=1\n' },
        },
      ],
    });
    const [service] = await findServices(remote, ['haproxy.service'], signal);
    expect(service).toMatchObject({
      running: false,
      state: 'failed',
      arguments: [
        '/usr/sbin/haproxy',
        '-Ws',
        '-f',
        '/etc/haproxy/other.cfg',
        '-p',
        '/run/haproxy.pid',
        '-S',
        '/run/haproxy-master.sock',
      ],
    });
  });

  it('finds nothing where there is no systemd', async () => {
    expect(await findServices(new FakeHost(), ['haproxy.service'], signal)).toEqual([]);
    const notBooted = new FakeHost({
      rules: [
        {
          argv: /^systemctl/,
          answer: { status: 1, stderr: 'System has not been booted with systemd as init system (PID 1).' },
        },
      ],
    });
    expect(await findServices(notBooted, ['haproxy.service'], signal)).toEqual([]);
  });

  it.each([
    ['no systemctl', { status: 127, stderr: 'sh: 1: systemctl: not found' }],
    ['a container', { status: 1, stderr: 'System has not been booted with systemd as init system (PID 1).' }],
  ])('finds nothing on a host without systemd: %s', async (_what, answer) => {
    const remote = new FakeHost({ rules: [{ argv: /^systemctl/, answer }] });
    expect(await findServices(remote, ['a'], signal)).toEqual([]);
  });

  it('does not take a systemd that does not answer for a service that is not there', async () => {
    const answer = { status: 1, stderr: 'Failed to get properties: Connection timed out' };
    const remote = new FakeHost({ rules: [{ argv: /^systemctl/, answer }] });
    await expect(findServices(remote, ['a'], signal)).rejects.toMatchObject({ code: 'SERVICE_ANSWER', host: 'host1' });
  });

  it('puts a running unit first and names one unit once', async () => {
    const twice = `${debianHaproxy.replace('ActiveState=active', 'ActiveState=inactive')}\n${debianHaproxy.replace('Id=haproxy', 'Id=haproxy2').replace('MainPID=214', 'MainPID=0')}\n${debianHaproxy.replace('ActiveState=active', 'ActiveState=inactive')}`;
    const remote = new FakeHost({
      rules: [
        { argv: /^systemctl/, answer: { stdout: twice } },
        { argv: /^cat/, answer: { status: 1 } },
      ],
    });
    expect((await findServices(remote, ['a', 'b', 'c'], signal)).map(({ unit }) => unit)).toEqual([
      'haproxy2.service',
      'haproxy.service',
    ]);
  });
});

describe('unit files', () => {
  it('reads ExecStart, with old and new endings', () => {
    expect(execArguments('{ path=/bin/a ; argv[]=/bin/a --b=c ; d ; ignore_errors=no ; start_time=[n/a] }')).toEqual([
      '/bin/a',
      '--b=c',
      ';',
      'd',
    ]);
    expect(execArguments('{ path=/bin/a ; argv[]=/bin/a ; flags= ; start_time=[n/a] }')).toEqual(['/bin/a']);
    expect(execArguments('')).toEqual([]);
  });

  it('expands as systemd does', () => {
    const variables = new Map([
      ['A', '1 2'],
      ['B', 'x y'],
    ]);
    expect(expandArguments(['$A', '--b=${B}', '$NONE', '${NONE}', '$Ax'], variables)).toEqual([
      '1',
      '2',
      '--b=x y',
      '',
    ]);
  });
});

describe('describeCommand', () => {
  it('shows who runs it and quotes what needs it', () => {
    const argv = ['tar', '-C', '/', "it's", ''];
    expect(describeCommand(new FakeHost(), { argv, become: 'root' })).toBe("sudo -n tar -C / 'it'\\''s' ''");
    expect(describeCommand(new FakeHost(), { argv: ['psql'], become: 'postgres' })).toBe('sudo -n -u postgres psql');
    expect(describeCommand(new FakeHost({ become: false }), { argv: ['ls'], become: 'root' })).toBe('ls');
    expect(describeCommand(new FakeHost({ facts: { loginIsRoot: true } }), { argv: ['ls'], become: 'root' })).toBe(
      'ls',
    );
    expect(describeCommand(new FakeHost({ facts: { loginIsRoot: true } }), { argv: ['ls'], become: 'postgres' })).toBe(
      'runuser -u postgres -- ls',
    );
  });

  it('shows how a password is asked for', () => {
    const password = new Secret('hush');
    const sudo = new FakeHost({ become: { method: 'sudo', password } });
    expect(describeCommand(sudo, { argv: ['ls', '/root'], become: 'root' })).toBe('sudo ls /root');
    expect(describeCommand(sudo, { argv: ['ls'], become: 'postgres' })).toBe('sudo -u postgres ls');
    const su = new FakeHost({ become: { method: 'su', password } });
    expect(describeCommand(su, { argv: ['ls', 'a b'], become: 'root' })).toBe("su root -c 'ls '\\''a b'\\'''");
    expect(describeCommand(su, { argv: ['ls'], become: 'postgres' })).toBe("su root -c 'runuser -u postgres -- ls'");
  });
});
