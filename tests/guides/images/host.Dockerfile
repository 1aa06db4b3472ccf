# A host as a provider hands it over: sshd runs, and `admin` may use sudo, with a password.
ARG BASE
FROM ${BASE}
# sudo.tar: sudo of Debian, for the stand-in of CentOS Stream, whose repositories have none; otherwise it is empty.
COPY ca.crt sudo.tar /tmp/
RUN set -e; \
    if command -v apt-get >/dev/null; then \
        apt="apt-get -y -q -o Acquire::Retries=3 -o Acquire::https::CAInfo=/tmp/ca.crt"; \
        $apt update; \
        DEBIAN_FRONTEND=noninteractive $apt install --no-install-recommends openssh-server sudo; \
        rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin; \
    else \
        dnf install -y --setopt=sslcacert=/tmp/ca.crt --setopt=install_weak_deps=False openssh-server $([ -s /tmp/sudo.tar ] || echo sudo); \
        dnf clean all; \
        if [ -s /tmp/sudo.tar ]; then tar -x -C / -f /tmp/sudo.tar; fi; \
    fi; \
    useradd --create-home --shell /bin/bash admin; \
    echo 'admin:correct horse' | chpasswd; \
    mkdir -p /etc/sudoers.d; \
    echo 'admin ALL=(ALL:ALL) ALL' >/etc/sudoers.d/admin; \
    chmod 440 /etc/sudoers.d/admin; \
    for unit in ssh sshd; do if [ -e /lib/systemd/system/$unit.service ]; then systemctl enable $unit.service; break; fi; done; \
    install -d -m 700 /root/.ssh; \
    install -d -m 700 -o admin -g admin /home/admin/.ssh; \
    rm -f /tmp/ca.crt /tmp/sudo.tar; \
    : >/etc/machine-id
