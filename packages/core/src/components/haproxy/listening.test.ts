import { expect, it } from '@jest/globals';
import { boundPorts, isReadBy } from './listening.js';

it('takes the TCP ports of bind lines, each once', () => {
  const configuration = `frontend a
    bind *:443 ssl crt /x:1.pem
    bind :80,127.0.0.1:8080 name x
    bind ipv6@[::1]:443
    bind unix@/run/x.sock
    bind /run/y:99
    bind quic4@:8443 ssl
    bind "\${ADDRESS}:1\${PORT}"
    # bind :1
    bind :2000-2010
  server s 10.0.0.1:81`;
  expect(boundPorts(configuration)).toEqual([80, 443, 8080]);
});

it('takes none at which nobody may listen', () => {
  const configuration = `frontend off
    bind :1
    disabled
frontend on
    bind :2
    bind :3 namespace other
    bind rhttp@x:4
.if defined(NOPE)
    bind :5
  .if defined(MORE)
    bind :6
  .endif
.else
    bind :7
.endif
    bind :8
defaults
    disabled
listen inherits
    bind :9
listen again
    enabled
    bind :10
defaults named
listen back
    bind :11
listen chosen from other
    bind :12`;
  expect(boundPorts(configuration)).toEqual([2, 8, 10, 11]);
});

it('knows what haproxy reads of a directory', () => {
  const names = ['a.cfg', 'a.cfg.bak', '.a.cfg', 'sub/a.cfg', '.cfg'].map((name) => `/etc/haproxy.d/${name}`);
  expect(names.filter((name) => isReadBy('/etc/haproxy.d', name))).toEqual(['/etc/haproxy.d/a.cfg']);
  expect([isReadBy('/etc/lb.conf', '/etc/lb.conf'), isReadBy('/etc/lb', '/etc/lb.cfg')]).toEqual([true, false]);
});
