import { expect, it } from '@jest/globals';
import { boundPorts } from './listening.js';

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
