"""The whole path of a device on regtest: found, looked at, made part of a wallet, compared, asked to sign, and its payment
confirmed by a real node. `test_live.py` walks it with a real device, and with a simulated one so that the walk is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from falconer_offline.hardware.models import MODELS, Kind, Registration
from tests.support.ceremony import PATHS, Treasury
from tests.support.programs import Outcome, Signer, UnexpectedExitError

RULES: dict[str, object] = {
    "max_daily_spend_sats": 4_000_000,
    "max_fee_sats": 50_000,
    "human_approval_threshold_sats": 500_000,
}
ON_DEVICE = "Last 4 characters of the address on the DEVICE's screen: "


@dataclass
class Walk:
    """`house` has one machine, and `device` is the same machine with a way to the device. `person` is told what to look for on
    the device, and what this program expects to be typed; `say` hears each step.
    """

    house: Treasury
    device: Signer
    fingerprint: str
    person: Callable[[str, str], str]
    say: Callable[[str], None]
    kind: Kind = Kind.TREZOR

    @property
    def machine(self) -> Signer:
        return self.house.signers[0]

    def begin(self) -> None:
        """Homes of both programs, a key of this machine, and the device as it is found."""
        self.house.init_coordinator()
        self.house.init_signer(self.machine)
        self.house.new_key(self.machine)
        self._setup_check()
        listed = self._with_device("hardware", "list").json["devices"]
        found = next((each for each in listed if each["fingerprint"] == self.fingerprint), None)
        if found is None:
            raise UnexpectedExitError(f"hardware list shows no {self.fingerprint}, but {listed}")
        self.kind = Kind(found["kind"])
        self.say(f"hardware list: a {MODELS[self.kind].title}, {found['model']}")

    def _setup_check(self) -> None:
        try:
            self._with_device("hardware", "setup-check")
        except UnexpectedExitError as incomplete:
            # an emulator needs nothing of the system; a device that needs something shows in the next step
            self.say(f"hardware setup-check: {incomplete}")
        else:
            self.say("hardware setup-check: nothing is missing")

    def _with_device(self, *arguments: object, **options: object) -> Outcome:
        return self.device.run(*arguments, json_output=True, **options)  # type: ignore[arg-type]

    def wallet(self, name: str, form: str) -> Treasury:
        """A wallet of the device alone, or for `wsh` of the device and this machine, both needed; founded and funded."""
        threshold = 2 if form == "wsh" else None
        house = self.house.another(name, form, threshold, [self.machine])
        key = house.gap / f"{name}.device.key"
        self._with_device(
            "hardware", "xpub", self.fingerprint, "--path", PATHS[form], "--name", "device", "--out", key
        )
        self.say(f"hardware xpub: {PATHS[form]}")
        keys = [key] if threshold is None else [house.export_xpub(self.machine), key]
        house.compose_and_register(keys)
        self._register(house, len(keys))
        self._compare(house)
        self._policy(house)
        house.fund(400_000, 300_000)
        return house

    def _register(self, house: Treasury, size: int) -> None:
        descriptor = house.gap / f"{house.name}.descriptor.txt"
        holders = ["owner of the device"] if size == 1 else ["", "owner of the device"]
        self.machine.run(
            "wallet", "register", house.name, descriptor,
            answers=[
                *((f"Who holds key {number} of {size}: ", who) for number, who in enumerate(holders, 1)),
                ("Last 4 characters of the wallet id: ", house.wallet_id[-4:]),
            ],
        )  # fmt: skip

    def _compare(self, house: Treasury) -> None:
        """Registration where the device wants one, then an address on both screens."""
        chosen = ("--signer", f"hardware:{self.fingerprint}")
        shows = house.form == "wsh" and MODELS[self.kind].registration is not Registration.NONE
        if self.kind is Kind.COLDCARD and shows:
            out = house.gap / "coldcard.txt"
            self._with_device("hardware", "register", house.name, *chosen, "--out", out)
            self.person(f"import {out} on the device, then go on", "")
        else:
            answers = [self._ending(house, 0)] if shows else []
            self._with_device("hardware", "register", house.name, *chosen, answers=answers)
            self.say(f"hardware register: {house.name}")
        self._with_device(
            "hardware", "address", house.name, "--index", 1, *chosen, answers=[self._ending(house, 1)]
        )
        self.say("hardware address: receive 1, the same on both sides")

    def _ending(self, house: Treasury, index: int) -> tuple[str, Callable[[object, str], str]]:
        address = self.machine.run("wallet", "address", house.name, "--index", index, json_output=True).json[
            "address"
        ]

        def typed(_match: object, shown: str) -> str:
            """Devices spell the one test network that they know; the ending is that of the spelling that is shown."""
            spelled = next(
                (line.split()[1] for line in shown.splitlines() if line.startswith("Address ")), address
            )
            return self.person(f"the last 4 characters of address {index} on the device", spelled[-4:])

        return (ON_DEVICE, typed)

    def _policy(self, house: Treasury) -> None:
        house.compile_policy(1, {}, RULES)
        house.install_policy(1, house.sign_policy(1))
        self.say(f"policy install: {house.name}")

    def pay(self, house: Treasury, destination: str, sats: int) -> str:
        """One payment: asked, signed with the device, finished, sent and confirmed. Its txid."""
        pays = [(destination, sats)]
        proposal = house.propose(*pays)["proposal"]
        request = house.export(proposal["id"])
        answer = Path(f"{request}.answer")
        chosen: list[object] = ["--signer", f"hardware:{self.fingerprint}"]
        chosen += ["--signer", "main"] if house.form == "wsh" else []
        self.say(f"sign: {sats:,} sats to {destination}; compare with the device, and confirm there")
        self._with_device("sign", request, *chosen, "--out", answer, answers=house.confirmation(pays))
        done = house.finish(proposal["id"], [answer])
        if done["state"] != "confirmed":
            raise UnexpectedExitError(f"{house.name}: {done['state']}")
        self.say(f"confirmed: {done['txid']}")
        return str(done["txid"])
