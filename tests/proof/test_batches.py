"""What a batch makes is vouched for as it stays: neither a review nor a start afterwards looks like a forgery."""

from app.accounts.principal import Role
from app.enterprises.models import Enterprise
from app.operators.models import Operator
from app.proof.service import prove
from tests.acting import person_of
from tests.proof.conftest import Proven


def test_the_requests_of_a_batch_are_what_the_chain_says(proven: Proven) -> None:
    """Waiting for a review, and started at once where the enterprise needs none."""
    office = proven.office
    waiting, free = office.operator(), office.operator()
    with office.database.transaction() as session:
        operator = session.get_one(Operator, free.operator_id)
        enterprise = session.get_one(Enterprise, operator.enterprise_id)
        enterprise.review_required = False
        session.add(enterprise)
    office.open_batch(waiting, free, principal=person_of(Role.OPERATOR))
    office.open_batch(office.operator(), principal=person_of(Role.ADMIN))
    office.carry_out()
    assert prove(proven.database, proven.settings).findings == []
