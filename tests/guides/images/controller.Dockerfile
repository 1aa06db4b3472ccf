# A machine that has Ansible, and an account on it. The pages are read by `me`.
ARG BASE
FROM ${BASE}
ARG CORE
COPY ca.crt /tmp/ca.crt
RUN set -e; \
    apt="apt-get -y -q -o Acquire::Retries=3 -o Acquire::https::CAInfo=/tmp/ca.crt"; \
    $apt update; \
    DEBIAN_FRONTEND=noninteractive $apt install --no-install-recommends python3-venv git openssh-client curl sudo; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin; \
    python3 -m venv /opt/ansible; \
    PIP_CERT=/tmp/ca.crt /opt/ansible/bin/pip install --quiet --no-cache-dir --disable-pip-version-check "ansible-core${CORE}"; \
    ln -s /opt/ansible/bin/ansible* /usr/local/bin/; \
    useradd --create-home --shell /bin/bash me; \
    echo 'me:correct horse' | chpasswd; \
    echo 'me ALL=(ALL:ALL) ALL' >/etc/sudoers.d/me; \
    chmod 440 /etc/sudoers.d/me; \
    rm -f /tmp/ca.crt; \
    : >/etc/machine-id
ENV LANG=C.UTF-8
