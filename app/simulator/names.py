"""Plausible names and numbers for the demonstration world. All are made up."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from app.contracts.tax_numbers import check_character
from app.simulator.model import Taxpayer

_CODE_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@dataclass(frozen=True, slots=True)
class Region:
    """Where an enterprise is registered; `code` is the administrative division (GB/T 2260)."""

    code: str
    city: str
    authority: str


REGIONS = (
    Region("310115", "上海", "国家税务总局上海市浦东新区税务局"),
    Region("310104", "上海", "国家税务总局上海市徐汇区税务局"),
    Region("110108", "北京", "国家税务总局北京市海淀区税务局"),
    Region("330106", "杭州", "国家税务总局杭州市西湖区税务局"),
    Region("320505", "苏州", "国家税务总局苏州国家高新技术产业开发区税务局"),
    Region("440305", "深圳", "国家税务总局深圳市南山区税务局"),
    Region("440106", "广州", "国家税务总局广州市天河区税务局"),
    Region("510107", "成都", "国家税务总局成都市武侯区税务局"),
    Region("420111", "武汉", "国家税务总局武汉市洪山区税务局"),
    Region("610113", "西安", "国家税务总局西安市雁塔区税务局"),
)
_FIRST = "恒瑞宏远华泰金诚盛达鑫源瑞丰嘉德永信博雅中天汇通万和明德锦程晨光启航"
_SECOND = "达信通源丰盛泰和润成隆裕安康顺华兴茂昌新宇航腾辉"
_TRADES = (
    "信息技术", "机电设备", "建筑工程", "餐饮管理", "医疗器械", "物流", "商贸", "文化传媒",
    "新材料", "食品", "汽车销售", "环保科技", "服饰", "电子科技", "装饰工程", "企业管理咨询",
)  # fmt: skip
_FORMS = ("有限公司", "有限公司", "有限公司", "有限责任公司", "股份有限公司")
BUYERS_ITEMS = (
    "技术服务费",
    "*机电设备*水泵",
    "*餐饮服务*餐费",
    "*运输服务*运费",
    "*办公用品*纸张",
)


def taxpayers(random: Random) -> Iterator[Taxpayer]:
    """Enterprises without end, each with a valid tax number; names repeat only by chance."""
    while True:
        region = random.choice(REGIONS)
        yield Taxpayer(
            tax_no=tax_no(random, region),
            name=company_name(random, region.city),
            authority_code=f"1{region.code}0000",
            authority_name=region.authority,
        )


def tax_no(random: Random, region: Region) -> str:
    """A unified social credit code: class 91, region, nine random characters, check character."""
    first17 = f"91{region.code}" + "".join(random.choices(_CODE_ALPHABET, k=9))
    return first17 + check_character(first17)


def company_name(random: Random, city: str) -> str:
    """E.g. 杭州恒信电子科技有限公司."""
    word = random.choice(_FIRST) + random.choice(_SECOND)
    return f"{city}{word}{random.choice(_TRADES)}{random.choice(_FORMS)}"
