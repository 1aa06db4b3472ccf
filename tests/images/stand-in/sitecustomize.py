"""One interpreter stands for two of EL 9: the system's, which has the bindings of dnf and firewalld, and python3.11."""

import os
import site
import sys

if os.path.realpath(getattr(sys, "_base_executable", sys.executable)) == "/usr/bin/python3.11":
    sys.path[:] = [path for path in sys.path if path != "/usr/lib/python3/dist-packages"]
    if sys.prefix == sys.base_prefix:
        site.addsitedir("/usr/lib/python3.11/site-packages")
