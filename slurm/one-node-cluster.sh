#!/usr/bin/env bash
# A SLURM cluster of this one machine, for trying and testing: bring it up, or take it down.
#   sudo bash slurm/one-node-cluster.sh [start|stop]
# Debian's packages are installed if they are not there. What is up already is left as it is.
# Variables: SLURM_TRY_DIR (default /var/tmp/one-node-cluster) holds its state, SLURM_TRY_CPUS
# (default 4, may be more than there are) and SLURM_TRY_MEMORY (default 4096, in MiB) what it offers.
# SLURM_TRY_ACCOUNTING=yes adds what sacct needs, with a MariaDB of its own; SLURM_TRY_ARRAY (default
# 1001) is MaxArraySize, SLURM_TRY_AGE (default 3600) the seconds for which the queue knows what ended.
set -euo pipefail
dir=${SLURM_TRY_DIR:-/var/tmp/one-node-cluster}
configuration=$dir/slurm.conf
export SLURM_CONF=$configuration

fail() { echo "one-node-cluster: $*" >&2; exit 1; }
((EUID == 0)) || fail "needs root, for SLURM's daemons; try: sudo bash slurm/one-node-cluster.sh"

until_true() { # SECONDS COMMAND...
    local tries=$(($1 * 10))
    shift
    while ((tries-- > 0)); do
        if "$@"; then return 0; fi
        sleep 0.1
    done
    return 1
}
running() { # NAME: the daemon of this cluster, and no other process that got its number
    local pid
    pid=$(cat "$dir/$1.pid" 2>/dev/null) && grep -qs "^$1$" "/proc/$pid/comm" &&
        ! grep -qs '^State:[[:space:]]*Z' "/proc/$pid/status"
}
not_running() { ! running "$1"; }
stop() {
    local name
    for name in slurmd slurmctld slurmdbd mariadbd; do
        if running "$name"; then
            kill "$(<"$dir/$name.pid")"
            until_true 10 not_running "$name" || kill -9 "$(<"$dir/$name.pid")"
        fi
        rm -f "$dir/$name.pid"
    done
}
tidy() { # what start has made outside its folder, unless it was there before
    if [[ -e $dir/munged.ours ]]; then
        pkill -x munged || true
        rm -f "$dir/munged.ours"
    fi
    [[ $(readlink /etc/slurm/slurm.conf) != "$configuration" ]] || rm /etc/slurm/slurm.conf
}
# The saved state says idle before the node has reported: its start is the proof.
node_ready() {
    scontrol show node localhost 2>/dev/null | grep -q 'SlurmdStartTime=2' &&
        [[ $(sinfo -h -o %T 2>/dev/null) =~ ^(idle|mixed|allocated|completing)$ ]]
}
controller_ready() { scontrol ping 2>/dev/null | grep -q 'is UP'; }
munge_ready() { munge -n </dev/null 2>/dev/null | unmunge >/dev/null 2>&1; }

case ${1:-start} in
    start) ;;
    stop) stop; tidy; exit ;;
    *) fail "there is no '$1'; allowed: start, stop" ;;
esac

accounting=${SLURM_TRY_ACCOUNTING:-}
programs=(slurmctld slurmd sbatch munged)
packages=(slurmctld slurmd slurm-client munge)
storage=none
if [[ $accounting ]]; then
    storage=slurmdbd
    programs+=(slurmdbd mariadbd)
    packages+=(slurmdbd mariadb-server)
fi
installed() { command -v "$1" >/dev/null && { (($# == 1)) || installed "${@:2}"; }; }
if ! installed "${programs[@]}"; then
    command -v apt-get >/dev/null || fail "SLURM is not installed, and there is no apt-get to do it"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >"$log" 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"; } \
            >>"$log" 2>&1 || { tail -n 5 "$log" >&2; fail "installing SLURM failed; see $log"; }
fi

if ! munge_ready; then
    # Only systemd would make these.
    install -d -o munge -g munge -m 0755 /run/munge
    install -d -o munge -g munge -m 0711 /var/lib/munge
    install -d -o munge -g munge -m 0700 /var/log/munge /etc/munge
    if [[ ! -s /etc/munge/munge.key ]]; then
        (umask 077 && head -c 1024 /dev/urandom >/etc/munge/munge.key)
    fi
    chown munge:munge /etc/munge/munge.key
    chmod 0600 /etc/munge/munge.key
    setpriv --reuid=munge --regid=munge --init-groups munged
    mkdir -p "$dir"
    touch "$dir/munged.ours"
    until_true 10 munge_ready || fail "munged does not answer"
fi

mkdir -p "$dir/state" "$dir/spool"
cat >"$configuration.new" <<END
ClusterName=onenode
SlurmctldHost=localhost
SlurmUser=root
AuthType=auth/munge
# How soon a requeued job may start again; lower values are not obeyed.
AuthInfo=cred_expire=5
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/$storage
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ReturnToService=2
# More processors than there are may be offered.
SlurmdParameters=config_overrides
KillWait=5
MinJobAge=${SLURM_TRY_AGE:-3600}
MaxArraySize=${SLURM_TRY_ARRAY:-1001}
# What can never run is refused, and doesn't wait for ever.
EnforcePartLimits=ALL
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
NodeName=localhost NodeAddr=127.0.0.1 CPUs=${SLURM_TRY_CPUS:-4} RealMemory=${SLURM_TRY_MEMORY:-4096} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES DefMemPerCPU=256 DefaultTime=10 MaxTime=1-0 State=UP
END
# With these the daemons listen on this machine alone, if its own name leads to 127.0.0.1.
if [[ $(getent ahostsv4 "$(hostname)" | awk 'NR == 1 { print $1 }') == 127.0.0.1 ]]; then
    echo "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny" >>"$configuration.new"
fi
if ! cmp -s "$configuration.new" "$configuration"; then
    stop
    mv "$configuration.new" "$configuration"
else
    rm "$configuration.new"
fi
# So that sbatch finds it without SLURM_CONF; a real cluster's file is left alone.
mkdir -p /etc/slurm
if [[ ! -e /etc/slurm/slurm.conf || -L /etc/slurm/slurm.conf ]]; then
    ln -sfn "$configuration" /etc/slurm/slurm.conf
fi

if [[ $accounting ]] && ! running slurmdbd; then
    database=(mariadb --user=root --socket=/run/mysqld/mysqld.sock)
    database_ready() { "${database[@]}" -e 'select 1' >/dev/null 2>&1; }
    install -d -o mysql -g mysql /run/mysqld "$dir/mariadb"
    [[ -d $dir/mariadb/mysql ]] ||
        mariadb-install-db --user=mysql --datadir="$dir/mariadb" >/dev/null 2>&1 ||
        fail "MariaDB could not be set up in $dir/mariadb"
    mariadbd --user=mysql --datadir="$dir/mariadb" --skip-networking \
        --socket=/run/mysqld/mysqld.sock >"$dir/mariadbd.log" 2>&1 &
    echo $! >"$dir/mariadbd.pid"
    until_true 30 database_ready || fail "MariaDB does not answer; see $dir/mariadbd.log"
    (umask 077 && cat >"$dir/slurmdbd.conf") <<END
AuthType=auth/munge
DbdHost=localhost
SlurmUser=root
StorageType=accounting_storage/mysql
StorageUser=root
PidFile=$dir/slurmdbd.pid
LogFile=$dir/slurmdbd.log
END
    slurmdbd
fi
accounting_ready() { sacctmgr --noheader show cluster >/dev/null 2>&1; }
[[ ! $accounting ]] || until_true 15 accounting_ready ||
    fail "slurmdbd does not answer; see $dir/slurmdbd.log"
if ! running slurmctld; then
    ! controller_ready || fail "another SLURM controller is up on this machine; stop that one first"
    slurmctld
fi
until_true 15 controller_ready || fail "slurmctld does not answer; see $dir/slurmctld.log"
running slurmd || slurmd
until_true 5 node_ready || {
    # A node that was drained stays so when all is started again.
    scontrol update nodename=localhost state=resume 2>/dev/null || true
    until_true 10 node_ready || fail "the node is not ready; see $dir/slurmd.log"
}
echo "one-node-cluster: ready: $(sinfo -h -o '%n %t, %c cpus, %m MiB')" >&2
