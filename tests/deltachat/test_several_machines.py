"""Delta Chat clients on a relay of several machines notice no difference."""

import pytest

from support.deltachat import Client, noise_image
from support.namespace import OwnCore


@pytest.fixture(scope="module")
def cluster(make_cluster):
    return make_cluster(2).start()


def test_conversation_between_backends(cluster, tmp_path):
    with OwnCore(cluster.hosts[0], tmp_path / "core", [cluster.front.domain]) as core:
        clients = {}
        # Until each machine has an account.
        while len(clients) < 2:
            client = Client(cluster.front, core.accounts.add_account())
            client.account.add_transport_from_qr(f"dcaccount:{cluster.front.domain}")
            client.login.address = client.account.get_config("configured_addr")
            [place] = cluster.places()[client.login.address]
            clients.setdefault(place, client)
        alice, bob = clients.values()
        for client in (alice, bob):
            client.account.start_io()
        of_bob, of_alice = bob.join(alice)
        for number in range(10):
            of_alice.send_text(f"to bob {number}")
            of_bob.send_text(f"to alice {number}")
        bob.wait_for_texts(of_bob, [f"to bob {number}" for number in range(10)])
        alice.wait_for_texts(of_alice, [f"to alice {number}" for number in range(10)])
        image = noise_image(tmp_path / "picture.png", 500_000)
        of_alice.send_message(file=str(image), filename=image.name, viewtype="File")
        bob.wait_for_file(of_bob, image.name)
