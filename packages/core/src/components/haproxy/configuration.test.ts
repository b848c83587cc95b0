import { describe, expect, it } from '@jest/globals';
import { certificatesOfList, parseConfiguration, words } from './configuration.js';

const configuration = `
global
    ca-base /etc/ssl/authorities
    crt-base /etc/ssl/private
    lua-load /etc/haproxy/lua/auth.lua argument
    stats socket /run/haproxy/admin.sock mode 660
    chroot /var/lib/haproxy
    log /dev/log local0   # crt /not/this.pem
defaults http
    errorfile 503 /etc/haproxy/errors/503.http
frontend "public front"
    bind *:443 ssl crt site.pem crt /etc/ssl/more/ ca-file roots.pem crl-file /etc/ssl/crl.pem
    bind *:8443 ssl crt-list /etc/haproxy/list.txt ca-file @system-ca
    acl blocked src -f /etc/haproxy/blocked.acl -f "/etc/haproxy/with space.acl"
    use_backend %[req.hdr(host),lower,map(/etc/haproxy/maps/hosts.map,web)] if { path_beg /api }
    http-request deny if { src,map_ip_int(/etc/haproxy/maps/ip.map) -m found }
    http-request return status 200 content-type text/html file /srv/pages/ok\\ page.html if { path /ok }
    http-request set-var(txn.m) str(virt@memory),map(virt@memory)
    use_backend x if { path_beg "\${PREFIX}" }
backend web
    server web1 10.0.0.1:80 ssl verify required ca-file "$CA_FILE"
    server web2 10.0.0.2:80
listen stats
    bind 127.0.0.1:9000
`;

describe('parseConfiguration', () => {
  it('finds every file that is named', () => {
    expect(parseConfiguration(configuration).files).toEqual([
      '/etc/haproxy/lua/auth.lua',
      '/etc/haproxy/errors/503.http',
      '/etc/ssl/private/site.pem',
      '/etc/ssl/more',
      '/etc/ssl/authorities/roots.pem',
      '/etc/ssl/crl.pem',
      '/etc/haproxy/list.txt',
      '/etc/haproxy/blocked.acl',
      '/etc/haproxy/with space.acl',
      '/etc/haproxy/maps/hosts.map',
      '/etc/haproxy/maps/ip.map',
      '/srv/pages/ok page.html',
    ]);
  });

  it('finds certificate lists and what they name', () => {
    const { certificateLists, certificateBase } = parseConfiguration(configuration);
    expect(certificateLists).toEqual(['/etc/haproxy/list.txt']);
    expect(certificatesOfList('a.pem [alpn h2] host.example\n# note\n\n/abs/b.pem\n', certificateBase)).toEqual([
      '/etc/ssl/private/a.pem',
      '/abs/b.pem',
    ]);
    expect(certificatesOfList('a.pem\n', undefined)).toEqual([]);
  });

  it('counts the sections', () => {
    expect(parseConfiguration(configuration).sections).toEqual({
      frontends: ['public front'],
      backends: ['web'],
      listens: ['stats'],
      binds: 3,
      servers: 2,
    });
  });
});

describe('words', () => {
  it('splits as haproxy does', () => {
    expect(words(`  a\\ b "c \\"d" 'e # f'g h#comment "`)).toEqual(['a b', 'c "d', 'e # fg', 'h']);
    expect(words('# only a comment')).toEqual([]);
    expect(words('unbalanced " quote')).toEqual(['unbalanced', 'quote']);
  });
});
