"""The types of what may be sent, as data.

Which properties a customer has, of which kind, and its relations. What the
documentation shows of the API is here word for word; what it does not show is left
open, and says so. It knows nothing of HTTP or of the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "text",
    "text[]",
    "integer",
    "timestamptz",
    "timestamp",
    "jsonb",
    "country",
    "address type",
    "currency",
]


@dataclass(frozen=True)
class Column:
    """A column as the API names it.

    Attributes:
        name: The property's name in requests and replies.
        kind: What it holds.
        nullable: Whether it may be null.
    """

    name: str
    kind: Kind = "text"
    nullable: bool = True

    @property
    def column(self) -> str:
        """Return the column's name in the database, such as `source_system_id`."""
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in self.name)


@dataclass(frozen=True)
class Enum:
    """A closed set of values, and the name that error messages give it."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class ObjectType:
    """An input object: its columns, and the relations that can come along.

    Attributes:
        name: The type's name in error messages.
        columns: Its columns by property name.
        relations: Its relations by property name.
        open: Whether any other property is let through, because the
            documentation does not show which there are.
        parent: The property that the parent determines and that may not be sent.
    """

    name: str
    columns: dict[str, Column]
    relations: dict[str, Relation] = field(default_factory=dict)
    open: bool = False
    parent: str | None = None


@dataclass(frozen=True)
class Relation:
    """Related rows of a customer, sent as `{"data": ...}`.

    Attributes:
        name: The property's name.
        type_name: The type's name in error messages.
        row: The type of one row.
        shape: Whether `data` is a list of rows, one row, or unknown to be either.
    """

    name: str
    type_name: str
    row: ObjectType
    shape: Literal["list", "object", "either"] = "list"


def _columns(*columns: Column) -> dict[str, Column]:
    return {column.name: column for column in columns}


# The documentation shows the list up to GH and leaves out these eighteen of ISO
# 3166-1: AI AQ AS AW AX BL BM BQ BV CC CK CW CX EH FK FO GF GG. Beyond GH the
# standard's own list stands in.
COUNTRIES = Enum(
    "CountriesEnum",
    tuple(
        """
        AD AE AF AG AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BS BT
        BW BY BZ CA CD CF CG CH CI CL CM CN CO CR CU CV CY CZ DE DJ DK DM DO DZ EC
        EE EG ER ES ET FI FJ FM FR GA GB GD GE GH GI GL GM GN GP GQ GR GS GT GU GW
        GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI
        KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH
        MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP
        NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA
        SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH
        TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF
        WS YE YT ZA ZM ZW
        """.split()  # noqa: SIM905 - a table of codes reads better
    ),
)
# The documentation shows this member alone; there are likely others.
ADDRESS_TYPES = Enum("AddressTypesEnum", ("ADDRESS_BOOK",))
CURRENCIES = Enum(
    "CurrenciesEnum",
    tuple(
        """
        AED AUD BRL CAD CHF CNY EGP EUR GBP HKD IDR INR JPY KRW MXN MYR NZD QAR SAR
        SGD THB TRY TWD USD VND ZAR
        """.split()  # noqa: SIM905 - likewise
    ),
)
ENUMS: dict[Kind, Enum] = {
    "country": COUNTRIES,
    "address type": ADDRESS_TYPES,
    "currency": CURRENCIES,
}

ADDRESS = ObjectType(
    "AddressesInsertInput",
    _columns(
        Column("city"),
        Column("companyName"),
        Column("country", "country"),
        Column("name"),
        Column("phoneNumber"),
        Column("stateOrProvince"),
        Column("streetLine1"),
        Column("streetLine2"),
        Column("type", "address type"),
        Column("zipOrPostalCode"),
    ),
)
CUSTOMER_RULE = ObjectType(
    "CustomerRulesInsertInput", _columns(Column("dueOption", "integer"))
)
PAYMENT_LINE_ITEM = ObjectType(
    "PaymentLineItemsInsertInput",
    _columns(
        Column("checkDate"),
        Column("checkOrAchNumber"),
        Column("createdAt", "timestamptz"),
        Column("currency", "currency"),
        Column("customerId"),
        Column("exchangeRate"),
        Column("fees", "integer"),
        Column("id"),
        Column("invoiceId"),
        Column("notes"),
        Column("paymentId"),
        Column("sourceSystem"),
        Column("sourceSystemId"),
        Column("sourceSystemMeta", "jsonb"),
        Column("status"),
        Column("tenantId"),
        Column("totalAmount", "integer"),
        Column("totalAmountWithFees", "integer"),
        Column("transactionDate"),
        Column("updatedAt", "timestamptz"),
    ),
    parent="customerId",
)


def _undocumented(name: str) -> ObjectType:
    return ObjectType(name, {}, open=True)


RELATIONS: dict[str, Relation] = {
    relation.name: relation
    for relation in (
        Relation("addresses", "AddressesArrRelInsertInput", ADDRESS),
        Relation(
            "contacts",
            "ContactsArrRelInsertInput",
            _undocumented("ContactsInsertInput"),
        ),
        Relation(
            "customerEmailSettings",
            "CustomerEmailSettingsRelInsertInput",
            _undocumented("CustomerEmailSettingsInsertInput"),
            shape="either",
        ),
        Relation(
            "customerIntegrationSettings",
            "CustomerIntegrationSettingsRelInsertInput",
            _undocumented("CustomerIntegrationSettingsInsertInput"),
            shape="either",
        ),
        Relation(
            "customerRule",
            "CustomerRulesObjRelInsertInput",
            CUSTOMER_RULE,
            shape="object",
        ),
        Relation(
            "paymentLineItems", "PaymentLineItemsArrRelInsertInput", PAYMENT_LINE_ITEM
        ),
        Relation(
            "remittanceLineItems",
            "RemittanceLineItemsArrRelInsertInput",
            _undocumented("RemittanceLineItemsInsertInput"),
        ),
    )
}

CUSTOMER_COLUMNS = _columns(
    Column("addressesLastUpdatedAt", "timestamptz"),
    Column("billToCustomerId"),
    Column("ccEmailAddresses", "text[]"),
    Column("collectorId"),
    Column("contactsLastUpdatedAt", "timestamptz"),
    Column("deletedAt", "timestamp"),
    Column("emailAddress"),
    Column("metadata", "jsonb"),
    Column("name", nullable=False),
    Column("sourceSystem"),
    Column("sourceSystemId"),
)
# What the account itself keeps of a customer, in the order of the table.
KEPT_COLUMNS = _columns(
    Column("id"),
    Column("createdAt", "timestamptz"),
    Column("updatedAt", "timestamptz"),
    Column("balance", "integer"),
    Column("overdueBalance", "integer"),
    Column("overdueInvoiceCount", "integer"),
)
CUSTOMER = ObjectType("CustomersInsertInput", CUSTOMER_COLUMNS, RELATIONS)
CUSTOMER_SET = ObjectType("CustomersSetInput", CUSTOMER_COLUMNS)
CUSTOMER_RULE_SET = ObjectType("CustomerRulesSetInput", CUSTOMER_RULE.columns)

ADDRESS_SHOWN = (
    "city",
    "country",
    "id",
    "stateOrProvince",
    "streetLine1",
    "streetLine2",
    "type",
    "zipOrPostalCode",
)
HIDDEN_COLUMNS = (
    "addressesLastUpdatedAt",
    "collectorId",
    "contactsLastUpdatedAt",
    "deletedAt",
)
SEARCHABLE = {
    name: column
    for name, column in {**KEPT_COLUMNS, **CUSTOMER_COLUMNS}.items()
    if name not in HIDDEN_COLUMNS
}
