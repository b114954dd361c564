"""`--ray [ADDRESS]` takes what follows for its value only if it looks like the address of a cluster."""

import pytest

from samekind.cli.ray_option import spelled


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("photos -g g", "photos -g g"),
        ("--ray photos -g g", "--ray=auto photos -g g"),
        ("photos -g g --ray", "photos -g g --ray=auto"),
        ("photos --ray -g g", "photos --ray=auto -g g"),
        ("--ray head:6379 photos", "--ray=head:6379 photos"),
        ("--ray [::1]:6379 photos", "--ray=[::1]:6379 photos"),
        ("--ray ray://head:10001 photos", "--ray=ray://head:10001 photos"),
        ("--ray local photos", "--ray=local photos"),
        ("--ray s3://bucket/photos", "--ray=auto s3://bucket/photos"),
        ("--ray http://host:80/a.jpg", "--ray=auto http://host:80/a.jpg"),
        ("--ray=head:1 photos", "--ray=head:1 photos"),
        ("-g g -- --ray", "-g g -- --ray"),
    ],
)
def test_what_is_typed_and_meant(typed: str, meant: str) -> None:
    assert spelled(typed.split()) == meant.split()
