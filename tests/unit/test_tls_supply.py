"""Which pair a site gets for each kind of `tls`."""

from __future__ import annotations

import os

import pytest
from ansible_collections.pyweb.stack.plugins.module_utils.host.shell import Shell, StepError
from ansible_collections.pyweb.stack.plugins.module_utils.model.layout import Layout
from ansible_collections.pyweb.stack.plugins.module_utils.tls import hook, openssl, pairs, supply
from tls_pairs import make

DOMAINS = ("shop.example.com",)


@pytest.fixture
def layout(tmp_path):
    return Layout.under("shop", {"config": str(tmp_path / "etc")})


def bring(layout, tls, domains=DOMAINS, key="", dry=False):
    site = {"name": "shop", "domains": [*domains], "paths": layout.paths, "tls": tls, "nginx": {"listen_tls": []}}
    change = supply.Supply(site, key, Shell("shop", {}), dry).bring()
    if not dry and change.live:
        pairs.switch(layout, change.live)
    return change


def serve(layout, made, placeholder=False):
    name = pairs.install(layout, made.certificate, made.key, placeholder)
    pairs.switch(layout, name)
    return name


def given(made):
    return {"kind": "certificate", "certificate": made.certificate}


def in_files(folder, made):
    (folder / "a.pem").write_text(made.certificate)
    (folder / "a.key").write_text(made.key)
    return {"kind": "path", "certificate_path": str(folder / "a.pem"), "key_path": str(folder / "a.key")}


@pytest.mark.parametrize("kind", ["selfsigned", "acme"])
def test_first_pair_is_made_and_kept(layout, kind):
    first = bring(layout, {"kind": kind})
    assert (first.state, first.placeholder, first.was) == ("created", kind == "acme", "")
    assert pairs.is_placeholder(layout) is (kind == "acme")
    facts = openssl.leaf(Shell("shop", {}), pairs.read(layout).certificate)
    assert (facts.names, first.ends) == (("shop.example.com",), facts.date)
    assert first.after.startswith(f"names: shop.example.com\nends: {facts.date}\nissuer: CN=shop.example.com\nsha256: ")
    second = bring(layout, {"kind": kind})
    assert (second.state, second.live, second.placeholder) == ("unchanged", first.live, kind == "acme")


@pytest.mark.parametrize("kind", ["selfsigned", "acme"])
@pytest.mark.parametrize(
    ("made", "state"),
    [(make(days=29), "renewed"), (make(["old.example.com"]), "changed"), (make(days=31), "unchanged")],
    ids=["expires", "names", "good"],
)
def test_self_signed_pair_is_renewed_before_it_expires_and_for_other_names(layout, kind, made, state):
    before = serve(layout, made, placeholder=kind == "acme")
    change = bring(layout, {"kind": kind})
    assert (change.state, change.was, change.live == before) == (state, before, state == "unchanged")


def test_pair_of_a_ca_is_replaced_by_a_self_signed_one(layout):
    serve(layout, make(issuer=make((), subject="Our CA", ca=True)))
    assert bring(layout, {"kind": "selfsigned"}).state == "renewed"


def test_placeholder_is_replaced_by_a_self_signed_pair(layout):
    bring(layout, {"kind": "acme"})
    change = bring(layout, {"kind": "selfsigned"})
    assert (change.state, change.placeholder, pairs.is_placeholder(layout)) == ("renewed", False, False)


@pytest.mark.parametrize(
    "made",
    [make(["old.example.com"]), make(days=-1), make(issuer=make((), subject="Our CA", ca=True))],
    ids=["names", "expired", "issued"],
)
def test_an_issued_pair_is_never_replaced_by_a_placeholder(layout, made):
    before = serve(layout, made)
    change = bring(layout, {"kind": "acme"})
    assert (change.state, pairs.live(layout), pairs.is_placeholder(layout)) == ("unchanged", before, False)


def test_pair_that_nginx_could_not_serve_is_replaced(layout):
    serve(layout, make()._replace(key=make().key))
    change = bring(layout, {"kind": "acme"})
    assert (change.state, change.placeholder) == ("changed", True)


def test_certbot_finds_its_script(layout):
    bring(layout, {"kind": "acme"}, dry=True)
    assert not os.path.exists(hook.path(layout))
    bring(layout, {"kind": "acme"})
    assert os.stat(hook.path(layout)).st_mode & 0o777 == 0o700
    with open(hook.path(layout), encoding="utf-8") as stream:
        assert stream.read() == hook.renewed(layout)
    os.chmod(hook.path(layout), 0o644)
    bring(layout, {"kind": "acme"})
    assert os.stat(hook.path(layout)).st_mode & 0o777 == 0o700


def test_pair_of_the_inventory_is_installed_if_it_differs(layout, monkeypatch):
    one, two = make(), make()
    assert bring(layout, given(one), key=one.key).state == "created"
    with monkeypatch.context() as patch:
        # No command is necessary.
        patch.setattr(Shell, "run", lambda *_given, **_more: pytest.fail("openssl was run"))
        assert bring(layout, given(one), key=one.key).state == "unchanged"
    change = bring(layout, given(two), key=two.key)
    assert (change.state, pairs.read(layout)) == ("renewed", (two.certificate, two.key))
    assert change.before != change.after


def test_invalid_pair_of_the_inventory_is_refused(layout):
    one, two = make(), make()
    bring(layout, given(one), key=one.key)
    with pytest.raises(StepError, match=r"tls\.key: the key does not match"):
        bring(layout, given(two), key=one.key)
    assert pairs.read(layout).certificate == one.certificate


def test_files_of_the_host_are_validated_in_every_run(layout, tmp_path):
    made = make()
    tls = in_files(tmp_path, made)
    first = bring(layout, tls)
    assert (first.state, pairs.read(layout)) == ("created", (made.certificate, made.key))
    assert bring(layout, tls).state == "unchanged"
    new = make()
    assert bring(layout, in_files(tmp_path, new)).state == "renewed"
    (tmp_path / "a.key").write_text(made.key)
    for dry in (True, False):
        with pytest.raises(StepError, match=r"tls\.key is .*/a.key: the key does not match"):
            bring(layout, tls, dry=dry)
    assert pairs.read(layout).certificate == new.certificate


def test_near_expiry_is_in_the_notes(layout, tmp_path):
    tls = in_files(tmp_path, make(days=5))
    for _run in range(2):
        [note] = bring(layout, tls).notes
        assert "in 4 days; renew it" in note


def test_dry_run_writes_nothing_and_returns_the_pair(layout, tmp_path):
    made = make()
    for tls, key in (({"kind": "selfsigned"}, ""), (given(made), made.key), (in_files(tmp_path, made), "")):
        change = bring(layout, tls, key=key, dry=True)
        assert (change.state, change.pair is not None) == ("created", True)
        assert openssl.fits(Shell("shop", {}), *change.pair)
        assert ("sha256" in change.after) is (tls["kind"] != "selfsigned")
    assert not os.path.exists(layout.config)


def test_dry_run_without_openssl_still_predicts(layout, tmp_path, monkeypatch):
    monkeypatch.setattr(supply, "is_installed", lambda: False)
    monkeypatch.setattr(Shell, "run", lambda *_given, **_more: pytest.fail("openssl was run"))
    made = make()
    for tls, key in (({"kind": "selfsigned"}, ""), (given(made), made.key), (in_files(tmp_path, made), "")):
        assert bring(layout, tls, key=key, dry=True).state == "created"
    (tmp_path / "a.key").unlink()
    with pytest.raises(StepError, match=r"tls\.key is"):
        bring(layout, in_files(tmp_path, made) | {"key_path": f"{tmp_path}/b.key"}, dry=True)
