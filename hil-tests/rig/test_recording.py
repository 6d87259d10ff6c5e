"""What came out at the gateway is a film, and a gateway may be started anew."""


def test_what_the_gateway_recorded_decodes_and_the_unit_finds_a_gateway_that_was_started_anew(unit, gateway):
    gateway.stop()
    for pictures, complaints in gateway.decode():
        assert pictures > 50 and not complaints, complaints
    gateway.start()
    gateway.flows(units=20, links=2)
