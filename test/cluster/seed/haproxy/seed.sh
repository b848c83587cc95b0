# Gives a load balancer its configuration: seed.sh lb1|lb2
cd "$(dirname "$0")"
configuration=$PWD/$1
certificates=/etc/ssl/haproxy

rm -rf /etc/haproxy "$certificates"
cp -r "$configuration" /etc/haproxy
mkdir -p /etc/haproxy/errors "$certificates"
printf 'HTTP/1.0 503 Service Unavailable\r\nCache-Control: no-cache\r\nContent-Type: text/html\r\n\r\n<h1>%s: no server</h1>\n' "$1" > /etc/haproxy/errors/503.http
# Names that people do use, and that a careless tool breaks on.
echo 'Zuständig: Betrieb' > '/etc/haproxy/Übergabe.txt'
echo 'old server list' > '/etc/haproxy/servers before migration.txt'
ln -sf haproxy.cfg /etc/haproxy/current.cfg

openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$1.example.test" \
  -addext "subjectAltName=DNS:$1.example.test" -keyout key.pem -out certificate.pem 2> /dev/null
cat certificate.pem key.pem > "$certificates/$1.example.test.pem"
chown -R root:root /etc/haproxy
chmod 644 /etc/haproxy/haproxy.cfg
chgrp haproxy "$certificates"
chmod 750 "$certificates"
chmod 600 "$certificates/$1.example.test.pem"

haproxy -c -q -f /etc/haproxy/haproxy.cfg
systemctl restart haproxy
