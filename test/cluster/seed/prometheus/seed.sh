# Puts Prometheus and Alertmanager back to a known content: half a day of history, rules, targets and silences.
# Works on a host with Debian's units and on one with LambdaStack's.
cd "$(dirname "$0")"
data=$(systemctl show prometheus -p ExecStart --value | grep -o -e '--storage.tsdb.path=[^ ]*' | cut -d= -f2 || true)
if [ -n "$data" ]; then
  alertmanager=alertmanager
else
  data=/var/lib/prometheus/metrics2 # Debian's default
  alertmanager=prometheus-alertmanager
  echo 'ARGS="--web.enable-admin-api"' > /etc/default/prometheus
fi

systemctl stop prometheus "$alertmanager"
mkdir -p /etc/prometheus/rules /etc/prometheus/file_sd
sed "s/HOST/$1/" prometheus.yml > /etc/prometheus/prometheus.yml
cp alertmanager.yml /etc/prometheus/alertmanager.yml
cp rules.yml /etc/prometheus/rules/hosts.rules
cp targets.json '/etc/prometheus/file_sd/targets ünï.json'
chown -R prometheus:prometheus /etc/prometheus/rules /etc/prometheus/file_sd /etc/prometheus/*.yml
chmod 640 /etc/prometheus/alertmanager.yml
promtool check config /etc/prometheus/prometheus.yml > /dev/null
amtool check-config /etc/prometheus/alertmanager.yml > /dev/null

# Only what belongs to Prometheus: with LambdaStack's layout Alertmanager lives in the same directory.
mkdir -p "$data"
find "$data" -mindepth 1 -maxdepth 1 ! -name alertmanager ! -name node-exporter -exec rm -rf {} +
rm -rf /var/lib/prometheus/alertmanager/*
python3 history.py "$1" > history.txt
promtool tsdb create-blocks-from openmetrics history.txt "$data" > /dev/null
chown -R prometheus:prometheus /var/lib/prometheus
systemctl start prometheus "$alertmanager"
python3 silences.py
