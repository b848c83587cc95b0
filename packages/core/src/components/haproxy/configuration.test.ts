import { describe, expect, it } from '@jest/globals';
import { filesOfList, parseConfiguration } from './configuration.js';
import { words } from './words.js';

const place = { workingDirectory: '/', configurationFile: '/etc/haproxy/haproxy.cfg', variables: new Map() };

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
    external-check command /usr/local/bin/check.sh
listen stats
    bind 127.0.0.1:9000
`;

describe('parseConfiguration', () => {
  it('finds every file that is named', () => {
    expect(parseConfiguration(configuration, place).files).toEqual([
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
      '/usr/local/bin/check.sh',
    ]);
  });

  it('finds the authorities of the HTTP client', () => {
    const text = 'global\n  ca-base /etc/ca\n  httpclient.ssl.ca-file http.pem\n';
    expect(parseConfiguration(text, place).files).toEqual(['/etc/ca/http.pem']);
  });

  it('finds certificate lists and what they name', () => {
    const { certificateLists, bases } = parseConfiguration(configuration, place);
    expect(certificateLists).toEqual(['/etc/haproxy/list.txt']);
    const list = 'a.pem [alpn h2 ca-file more.pem] host.example\n# note\n\n/abs/b.pem\n';
    expect(filesOfList(list, bases).files).toEqual([
      '/etc/ssl/private/a.pem',
      '/etc/ssl/authorities/more.pem',
      '/abs/b.pem',
    ]);
  });

  it('resolves variables, and names those it does not know', () => {
    const text = `
global
  setenv CERTS /srv/certs
  presetenv UNIT /not/this
listen l
  bind :1 ssl crt "\${CERTS}/three.pem" crt "$UNIT/four.pem" crt "\${NONE-/srv/five.pem}" crt "\${NONE}/six.pem"
  bind :2 ssl crt '\${CERTS}/plain.pem' crt "/srv/\${NONE}/seven.pem"
`;
    const known = { ...place, workingDirectory: '/w', variables: new Map([['UNIT', '/unit']]) };
    const { files, unresolved } = parseConfiguration(text, known);
    expect(files).toEqual(['/srv/certs/three.pem', '/unit/four.pem', '/srv/five.pem', '/w/${CERTS}/plain.pem']);
    expect(unresolved).toEqual(['${NONE}/six.pem', '/srv/${NONE}/seven.pem']);
  });

  it('resolves relative names as haproxy does', () => {
    const files = (text: string): readonly string[] =>
      parseConfiguration(text, { ...place, workingDirectory: '/work' }).files;
    expect(files('bind :1 ssl crt rel/rel.pem crt-list list.txt ca-file @system-ca')).toEqual([
      '/work/rel/rel.pem',
      '/work/list.txt',
    ]);
    expect(files('crt-base certs\nbind :1 ssl crt a.pem')).toEqual(['/work/certs/a.pem']);
    expect(files('default-path config\nbind :1 ssl crt a.pem')).toEqual(['/etc/haproxy/a.pem']);
    expect(files('default-path parent\nacl a src -f a.acl')).toEqual(['/etc/a.acl']);
    expect(files('crt-store s\ncrt-base /c\nkey-base /k\nload crt a.pem key a.key')).toEqual(['/c/a.pem', '/k/a.key']);
  });

  it.each([
    ['bind :1 ssl crt a tls-ticket-keys /x', '/x'],
    ['http-request deny unless { var(txn.b),jwt_verify(txn.alg,"/x") 1 }', '/x'],
    ['http-request deny unless { var(txn.b),jwt_verify("RS256","/x") -m int 1 }', '/x'],
    ['bind :1 ssl crt a ca-verify-file /x', '/x'],
    ['bind :1 ssl crt a crl-file /x', '/x'],
    ['bind :1 ssl crt a generate-certificates ca-sign-file /x', '/x'],
    ['issuers-chain-path /x', '/x'],
    ['lua-load-per-thread /x', '/x'],
    ['errorfile 503 /x', '/x'],
    ['filter spoe engine e config /x', '/x'],
    ['http-request return lf-file /x', '/x'],
    ['http-request set-var(txn.a) src,map_ip(/x,none)', '/x'],
    ['use_backend %[src,map("/x y.map")]', '/x y.map'],
    ['tcp-request connection reject if { src -f /x }', '/x'],
    ['server-state-file /x', '/x'],
    ['lua-prepend-path /x/lua/?/init.lua cpath', '/x/lua'],
    ['lua-prepend-path /srv/lua/?.lua', '/srv/lua'],
    ["lua-prepend-path '/srv/a/?.lua;/srv/b/?.lua'", '/srv/b'],
    ['external-check command check.sh', '/check.sh'],
    ['program agent\n  command /x -f /y', '/x'],
    ['program agent\n  command agent -f /y', '/y'],
  ])('knows %s', (line, path) => {
    expect(parseConfiguration(line, place).files).toContain(path);
  });

  it('takes no variable and no other word for a file', () => {
    const text = `http-request deny unless { var(txn.b),jwt_verify(txn.alg,txn.key) 1 }
http-request set-header key value
balance hdr(config) file
command agent -p 1
errorfiles mysite
http-request deny unless { var(txn.b),jwt_verify("HS256","s3cret/key") 1 }
http-request deny unless { var(txn.b),jwt_verify(txn.alg,"s3cret") 1 }
lua-prepend-path '/?.lua;/opt/?.lua;/usr/share/?.lua;/usr/local/share/lua/5.4/?.lua'
use_backend %[src,map(virt@memory)]`;
    expect(parseConfiguration(text, place)).toMatchObject({ files: [], unresolved: [] });
  });

  it('counts the sections', () => {
    expect(parseConfiguration(configuration, place).sections).toEqual({
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
