"""A Django project with background work: Celery, django-tasks and a command for a timer. Each logs what it does.

A line of the log contains the time, the release of the process, the event, and the key of the task.
"""

from __future__ import annotations

LOG = "/var/lib/sites/mysite/jobs.log"
# If this file exists, tasks end immediately; otherwise they run until it is created.
FINISH = "/var/lib/sites/mysite/finish"
PACKAGES = ["Django>=5.2,<5.3", "celery[redis]", "django-tasks-db[compat]"]

SETTINGS = """
INSTALLED_APPS += ["jobs", "django_tasks", "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
"""
URLS = """
from jobs.views import queue

urlpatterns += [path("queue/", queue)]
"""
FILES = {
    "jobs/__init__.py": "",
    "jobs/log.py": f'''
import os
import time

FINISH = "{FINISH}"


def note(*words):
    line = " ".join(map(str, (time.time(), os.environ.get("PYWEB_RELEASE", "-"), *words)))
    with open("{LOG}", "a", encoding="utf-8") as log:
        log.write(line + "\\n")


def work(key):
    note("begin", key)
    deadline = time.monotonic() + 900
    while not os.path.exists(FINISH) and time.monotonic() < deadline:
        time.sleep(0.1)
    note("end", key)
''',
    "jobs/celery.py": """
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
app = Celery("jobs", broker="redis://127.0.0.1:6379/0")
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1)
app.conf.beat_schedule = {"beat": {"task": "jobs.tasks.quick", "schedule": 600.0, "args": ["beat"]}}
app.autodiscover_tasks()
""",
    "jobs/tasks.py": '''
from celery import shared_task
from django.conf import settings
from django_tasks import task

from .celery import app  # the tasks are its own
from .log import note, work

VERSION = int(settings.MYSITE_VERSION)


@app.task
def slow(key):
    work(key)


@app.task
def quick(key):
    note("quick", key)


@task()
def stored(key):
    work(key)


def made(number):
    """A task that only code from this version on knows."""

    @app.task(name=f"jobs.since_{number}")
    def run(key):
        note("done", key)

    return run


SINCE = {number: made(number) for number in range(1, VERSION + 1)}
''',
    "jobs/views.py": """
import uuid

from django.http import HttpResponse
from django.views.decorators.cache import never_cache

from .log import note
from .tasks import SINCE, VERSION


@never_cache
def queue(request):
    key = uuid.uuid4().hex
    SINCE[VERSION].delay(key)
    note("queued", key, VERSION)
    return HttpResponse(key)
""",
    "jobs/management/__init__.py": "",
    "jobs/management/commands/__init__.py": "",
    "jobs/management/commands/begin.py": """
from django.core.management.base import BaseCommand
from jobs.tasks import slow, stored


class Command(BaseCommand):
    help = "Queue a task of each kind."

    def handle(self, **options):
        slow.delay("celery")
        stored.enqueue("tasks")
""",
    "jobs/management/commands/tick.py": """
import os
import sys
import time

from django.core.management.base import BaseCommand
from jobs.log import note


class Command(BaseCommand):
    help = "What a timer runs; it takes longer than the timer's pause."

    def handle(self, **options):
        note("begin", "tick")
        if os.path.exists("/var/lib/sites/mysite/fail"):
            sys.exit("tick: told to fail")
        time.sleep(6)
        note("end", "tick")
""",
}
