"""
A real Kubernetes on this machine: etcd, API server, controllers, scheduler; two nodes, each with containerd, kubelet
and kube-proxy; names, figures of pods, and policies that are enforced.

It lives in network, mount and process namespaces of its own. No address, sysctl, mount, rule of a firewall or daemon
of the machine is touched, and when the one process that began it is killed all of it is gone.

    init namespace      10.199.0.1 on a bridge: etcd and the rest of the control plane
    node 1, node 2      10.199.0.11, .12: a network and mount namespace each; pods in 10.244.0.0/24, 10.244.1.0/24
"""

import base64
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess

from chart import ROOT
from harness import patience
from harness.process import die_with_parent

PROGRAMS = ROOT / "build/kubernetes-programs"  # by scripts/kubernetes
FOLDER = ROOT / "tests/kubernetes"
CONTROL_PLANE = "10.199.0.1"
CGROUPS = pathlib.Path("/sys/fs/cgroup")
CTR = ("ctr", "-a", "/run/containerd/containerd.sock", "-n", "k8s.io")
NODES = 1, 2
SECONDS = 120  # for anything of it to happen

# What the kubelet would set for the whole machine, shown to it as set already.
SYSCTLS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}

INIT = """
mount --make-rprivate / && mount --make-rshared /
for network in /run/docker/netns/*; do # else what Docker ends would live on here
	umount $network 2>/dev/null || true
done
mount -t tmpfs tmpfs {tmpfs}
{sysctls}
ip link set lo up
ip link add bridge type bridge && ip addr add {address}/24 dev bridge && ip link set bridge up
sysctl -qw net.ipv4.ip_forward=1
touch {tmpfs}/ready
while :; do sleep 3600 & wait $!; done
"""

# This kernel lacks nft's queue expression, of which kube-network-policies would make its rules; iptables' does the same.
NODE_INIT = """
mount --make-rprivate / && mount --make-rshared /
for folder in /run/containerd /run/netns /var/lib/cni /var/lib/kubelet; do
	mkdir -p $folder && mount -t tmpfs tmpfs $folder && mount --make-shared $folder
done
mount --bind {folder}/log /var/log
ip link set lo up
echo $$ >{folder}/pid
while ! ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip addr add {address}/24 dev eth0 && ip link set eth0 up
ip route add default via {control_plane}
ip route add {other_pods} via {other}
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1
iptables -t mangle -A FORWARD -m conntrack --ctstate NEW -j NFQUEUE --queue-num 100 --queue-bypass
touch {folder}/ready
while :; do sleep 3600 & wait $!; done
"""

CONTAINERD = """
version = 2
root = "{tmpfs}/{name}-containerd"
state = "/run/containerd/state"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "kube.test/pause:1"
  disable_hugetlb_controller = true
  restrict_oom_score_adj = true # for a root without CAP_SYS_RESOURCE
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
"""


def why_not():
    """What keeps a cluster from being here, or nothing."""
    if os.geteuid() != 0:
        return "only root can make the namespaces of a cluster"
    if not (PROGRAMS / "kubectl").exists():
        return "no Kubernetes here: scripts/kubernetes builds it, with Go, in a quarter of an hour"
    missing = [program for program in ("containerd", "runc", "iptables", "nft", "docker") if not shutil.which(program)]
    return f"not installed: {', '.join(missing)}" if missing else ""


class Node:
    def __init__(self, cluster, number):
        self.cluster = cluster
        self.name = f"node{number}"
        self.address = f"10.199.0.{10 + number}"
        self.pods = f"10.244.{number - 1}.0/24"
        self.folder = cluster.home / self.name
        for name in ("cni", "log"):
            (self.folder / name).mkdir(parents=True)

    @property
    def pid(self):
        """As the processes of the cluster count."""
        return int((self.folder / "pid").read_text())

    @property
    def network(self):
        """The path of its network namespace, for processes outside."""
        return f"/proc/{self.cluster.pid}/root/proc/{self.pid}/ns/net"

    def command(self, *words):
        return self.cluster.command("nsenter", "-t", self.pid, "-n", "-m", f"--wd={ROOT}", "--", *words)

    def start(self, other):
        self.write_files()
        script = NODE_INIT.format(
            folder=self.folder,
            address=self.address,
            control_plane=CONTROL_PLANE,
            other=other.address,
            other_pods=other.pods,
        )
        self.cluster.spawn(f"{self.name}-init", "unshare", "--net", "--mount", "bash", "-euc", script)
        patience.until(lambda: (self.folder / "pid").exists() and self.pid, f"{self.name} to begin", SECONDS)
        self.cluster.run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.pid)
        self.cluster.run("ip", "link", "set", self.name, "master", "bridge", "up")
        patience.until(lambda: (self.folder / "ready").exists(), f"{self.name} to have a network", SECONDS)
        self.cluster.run("ip", "route", "add", self.pods, "via", self.address)
        self.spawn("containerd", "containerd", "--config", self.folder / "containerd.toml")
        patience.until(lambda: self.run(*CTR, "version", check=False).returncode == 0, "containerd", SECONDS)
        self.run(*CTR, "images", "import", PROGRAMS / "pause.tar")
        identity = ("--kubeconfig", self.cluster.pki / f"{self.name}.conf", "--hostname-override", self.name)
        self.spawn("kubelet", PROGRAMS / "kubelet", "--config", self.folder / "kubelet.json", *identity, "--node-ip", self.address)
        self.spawn("kube-proxy", PROGRAMS / "kube-proxy", "--config", self.folder / "kube-proxy.json")

    def write_files(self):
        pki = self.cluster.pki
        containerd = CONTAINERD.format(tmpfs=self.cluster.tmpfs, name=self.name, folder=self.folder)
        (self.folder / "containerd.toml").write_text(containerd)
        (self.folder / "resolv.conf").write_text("")
        pods = {"type": "host-local", "ranges": [[{"subnet": self.pods}]], "dataDir": "/run/containerd/ipam"}
        network = {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {"type": "ptp", "ipMasq": False, "ipam": {**pods, "routes": [{"dst": "0.0.0.0/0"}]}},
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }
        kubelet = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.cluster.cgroup}/{self.name}",
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki / f"{self.name}.crt"),
            "tlsPrivateKeyFile": str(pki / f"{self.name}.key"),
            "clusterDomain": "cluster.local",
            "clusterDNS": ["10.96.0.10"],
            "resolvConf": str(self.folder / "resolv.conf"),
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "nodeStatusUpdateFrequency": "5s",
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        }
        proxy = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": str(pki / "kube-proxy.conf")},
            "hostnameOverride": self.name,
            "clusterCIDR": "10.244.0.0/16",
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
        for name, content in {"cni/10-pods.conflist": network, "kubelet.json": kubelet, "kube-proxy.json": proxy}.items():
            (self.folder / name).write_text(json.dumps(content))

    def run(self, *words, check=True, **more):
        return run(self.command(*words), check, **more)

    def spawn(self, name, *words):
        self.cluster.spawn(f"{self.name}-{name}", *self.command(*words), inside=False)


class Cluster:
    """`home`: a folder for all that it writes."""

    def __init__(self, home):
        self.home = home
        self.pki = home / "pki"
        self.tmpfs = home / "tmpfs"
        self.logs = home / "logs"
        self.cgroup = f"relay-tests-{os.getpid()}"
        self.init = None
        self.nodes = []
        for folder in (self.pki, self.tmpfs, self.logs):
            folder.mkdir()

    # Its life

    def start(self):
        self.make_certificates()
        self.make_cgroups()
        self.begin()
        self.start_control_plane()
        self.nodes = [Node(self, number) for number in NODES]
        for node, other in zip(self.nodes, reversed(self.nodes)):
            node.start(other)
        for node in self.nodes:
            patience.until(lambda: self.kubectl("get", "node", node.name, check=False).returncode == 0, node.name, SECONDS)
        self.kubectl("wait", "--for", "condition=Ready", "node", "--all", "--timeout", f"{SECONDS}s")
        manifest = (FOLDER / "addons.yaml").read_text().replace("PROGRAMS", str(PROGRAMS.resolve()))
        self.kubectl("apply", "-f", "-", input=manifest)
        for name in ("deployment/coredns", "deployment/metrics-server", "daemonset/kube-network-policies"):
            self.kubectl("-n", "kube-system", "rollout", "status", name, "--timeout", f"{SECONDS}s")

    def stop(self):
        if self.init is not None:
            os.killpg(self.init.pid, signal.SIGKILL)
            self.init.wait()
        for controller in CGROUPS.iterdir():
            folder = controller / self.cgroup
            patience.until(lambda: not folder.exists() or remove_cgroups(folder), f"{folder} to be empty", SECONDS)

    def make_cgroups(self):
        for controller in CGROUPS.iterdir():
            if not controller.is_dir() or controller.is_symlink():
                continue
            for number in NODES:
                (controller / self.cgroup / f"node{number}").mkdir(parents=True, exist_ok=True)
        cpuset = CGROUPS / "cpuset"
        if cpuset.exists():  # of version 1 a group begins with no processor
            for folder in (cpuset / self.cgroup, *(cpuset / self.cgroup / f"node{number}" for number in NODES)):
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (folder / name).write_text((cpuset / name).read_text())

    def begin(self):
        sysctls = [
            f"echo {value} >{self.tmpfs}/{name.replace('/', '.')} && "
            f"mount --bind {self.tmpfs}/{name.replace('/', '.')} /proc/sys/{name}"
            for name, value in SYSCTLS.items()
        ]
        script = INIT.format(tmpfs=self.tmpfs, sysctls="\n".join(sysctls), address=CONTROL_PLANE)
        namespaces = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
        with open(self.logs / "init.log", "wb") as log:
            self.init = subprocess.Popen(
                ["unshare", *namespaces, "bash", "-euc", script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        ready = self.tmpfs / "ready"
        patience.until(lambda: self.pid and self.run("test", "-e", ready, check=False).returncode == 0, self.story, SECONDS)

    @property
    def pid(self):
        """Of the first process inside."""
        children = pathlib.Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def start_control_plane(self):
        pki = self.pki
        self.spawn(
            *("etcd", PROGRAMS / "etcd", "--data-dir", self.tmpfs / "etcd", "--unsafe-no-fsync", "--log-level=warn"),
            *("--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379"),
            *("--listen-peer-urls=http://127.0.0.1:2380",),
        )
        self.spawn(
            *("kube-apiserver", PROGRAMS / "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379"),
            *(f"--advertise-address={CONTROL_PLANE}", "--secure-port=6443", "--service-cluster-ip-range=10.96.0.0/16"),
            *(f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key"),
            *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged"),
            *(f"--client-ca-file={pki}/ca.crt", f"--kubelet-certificate-authority={pki}/ca.crt"),
            *(f"--kubelet-client-certificate={pki}/admin.crt", f"--kubelet-client-key={pki}/admin.key"),
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            *(f"--service-account-key-file={pki}/sa.pub", f"--service-account-signing-key-file={pki}/sa.key"),
            *(f"--requestheader-client-ca-file={pki}/front-ca.crt", "--requestheader-allowed-names=front-proxy"),
            *("--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group"),
            *("--requestheader-username-headers=X-Remote-User", "--enable-aggregator-routing"),
            *(f"--proxy-client-cert-file={pki}/front.crt", f"--proxy-client-key-file={pki}/front.key"),
        )
        patience.until(
            lambda: self.kubectl("get", "--raw", "/readyz", check=False).returncode == 0, self.story, SECONDS
        )
        for name, options in {
            "kube-controller-manager": (
                *("--use-service-account-credentials", f"--service-account-private-key-file={pki}/sa.key"),
                *(f"--root-ca-file={pki}/ca.crt", f"--flex-volume-plugin-dir={self.tmpfs}/flex"),
                *("--allocate-node-cidrs", "--cluster-cidr=10.244.0.0/16"),
                "--horizontal-pod-autoscaler-sync-period=5s",
            ),
            "kube-scheduler": (),
        }.items():
            identity = [f"--{word}kubeconfig={pki}/{name}.conf" for word in ("", "authentication-", "authorization-")]
            self.spawn(name, PROGRAMS / name, *identity, "--leader-elect=false", *options)

    # Who is who

    def make_certificates(self):
        for name in ("ca", "front-ca"):
            self.new_key(name)
            openssl(
                *("req", "-x509", "-key", self.pki / f"{name}.key", "-subj", f"/CN={name}", "-days", 30),
                *("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.pki / f"{name}.crt"),
            )
        self.new_key("sa")
        openssl("ec", "-in", self.pki / "sa.key", "-pubout", "-out", self.pki / "sa.pub")
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
        addresses = ["127.0.0.1", "10.96.0.1", CONTROL_PLANE]
        alternatives = [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]
        self.issue("apiserver", "/CN=kube-apiserver", alternatives=alternatives)
        self.issue("front", "/CN=front-proxy", authority="front-ca")
        self.issue("admin", "/O=system:masters/CN=admin")
        for name in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
            self.issue(name, f"/CN=system:{name}")
        for number in NODES:
            where = [f"DNS:node{number}", f"IP:10.199.0.{10 + number}"]
            self.issue(f"node{number}", f"/O=system:nodes/CN=system:node:node{number}", alternatives=where)

    def new_key(self, name):
        openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", self.pki / f"{name}.key")

    def issue(self, name, subject, authority="ca", alternatives=()):
        """A certificate, and what makes a client of it."""
        path = functools.partial("{}/{}.{}".format, self.pki)
        self.new_key(name)
        lines = ["keyUsage=digitalSignature", "extendedKeyUsage=clientAuth,serverAuth"]
        lines += [f"subjectAltName={','.join(alternatives)}"] if alternatives else []
        pathlib.Path(path(name, "ext")).write_text("\n".join(lines))
        openssl("req", "-new", "-key", path(name, "key"), "-subj", subject, "-out", path(name, "csr"))
        openssl(
            *("x509", "-req", "-in", path(name, "csr"), "-CA", path(authority, "crt"), "-CAkey", path(authority, "key")),
            *("-CAcreateserial", "-days", 30, "-extfile", path(name, "ext"), "-out", path(name, "crt")),
        )
        data = {ending: base64.b64encode(pathlib.Path(path(*what)).read_bytes()).decode() for ending, what in {
            "certificate-authority-data": ("ca", "crt"),
            "client-certificate-data": (name, "crt"),
            "client-key-data": (name, "key"),
        }.items()}
        server = {"server": f"https://{CONTROL_PLANE}:6443", "certificate-authority-data": data.pop("certificate-authority-data")}
        configuration = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": server}],
            "users": [{"name": name, "user": data}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": name}}],
            "current-context": "tests",
        }
        pathlib.Path(path(name, "conf")).write_text(json.dumps(configuration))

    # What is done in it

    def command(self, *words):
        inside = ("nsenter", "-t", self.pid, "-n", "-m", "-p", f"--wd={ROOT}", "--")
        path = f"{PROGRAMS}:{ROOT / 'build/bin'}:{os.environ['PATH']}"
        return [*inside, "env", f"PATH={path}", f"KUBECONFIG={self.pki}/admin.conf", *words]

    def run(self, *words, check=True, **more):
        return run(self.command(*words), check, **more)

    def kubectl(self, *words, check=True, **more):
        return self.run("kubectl", *words, check=check, **more)

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "-o", "json").stdout)

    def spawn(self, name, *words, inside=True):
        command = self.command(*words) if inside else words
        with open(self.logs / f"{name}.log", "wb") as log:
            subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def load(self, image):
        """An image of the Docker here, into each node."""
        archive = self.home / "image.tar"
        run(["docker", "save", "-o", archive, image])
        for node in self.nodes:
            node.run(*CTR, "images", "import", archive)
        archive.unlink()

    def story(self):
        ends = [f"{path.name}:\n{path.read_text(errors='replace')[-1500:]}" for path in sorted(self.logs.iterdir())]
        return "\n".join(ends)


def run(words, check=True, **more):
    words = [str(word) for word in words]
    done = subprocess.run(words, capture_output=True, text=True, **more)
    assert not check or done.returncode == 0, f"{' '.join(words[-12:])}:\n{done.stdout}{done.stderr}"
    return done


def openssl(*words):
    run(["openssl", *words])


def remove_cgroups(folder):
    """Deepest first; returns false if there still is somebody in one."""
    try:
        for path, _, _ in os.walk(folder, topdown=False):
            os.rmdir(path)
    except OSError:
        return False
    return True
