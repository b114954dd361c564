"""The application as a whole: what is there, and what it says of itself."""

from stand_in import asked


def test_galleries_are_listed_with_their_domains() -> None:
    with asked() as client:
        answer = client.get("/api/v1/galleries")
    assert answer.status_code == 200
    first = answer.json()["galleries"][0]
    assert first["name"] == "pictures"
    assert first["rows"] == 12
