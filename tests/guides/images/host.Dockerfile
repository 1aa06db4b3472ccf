# A host as a provider hands it over: sshd runs, and `admin` may use sudo, with a password.
ARG BASE
FROM ${BASE}
COPY ca.crt /tmp/ca.crt
RUN set -e; \
    if command -v apt-get >/dev/null; then \
        apt="apt-get -y -q -o Acquire::Retries=3 -o Acquire::https::CAInfo=/tmp/ca.crt"; \
        $apt update; \
        DEBIAN_FRONTEND=noninteractive $apt install --no-install-recommends openssh-server sudo; \
        rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin; \
    else \
        dnf install -y --setopt=sslcacert=/tmp/ca.crt --setopt=install_weak_deps=False openssh-server sudo; \
        dnf clean all; \
    fi; \
    useradd --create-home --shell /bin/bash admin; \
    echo 'admin:correct horse' | chpasswd; \
    echo 'admin ALL=(ALL:ALL) ALL' >/etc/sudoers.d/admin; \
    chmod 440 /etc/sudoers.d/admin; \
    for unit in ssh sshd; do if [ -e /lib/systemd/system/$unit.service ]; then systemctl enable $unit.service; break; fi; done; \
    install -d -m 700 /root/.ssh; \
    install -d -m 700 -o admin -g admin /home/admin/.ssh; \
    rm -f /tmp/ca.crt; \
    : >/etc/machine-id
