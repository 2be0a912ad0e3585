"""Words that tell a task in many languages, by concept: a prompt in a language that no training prompt had is still told apart.

Pure. Written by rule from dictionaries, not from any prompt. Stems match at the beginning of a word; scripts without spaces between
words match anywhere. A concept counts once, and so does the number of concepts of each field.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

MOST = 4
"""Concepts of one sphere that are told apart; more count as so many."""


class Sphere(StrEnum):
    """What a concept speaks of."""

    ART = "art"
    CODE = "code"
    SUMS = "sums"
    FACTS = "facts"


CONCEPTS: Mapping[Sphere, Mapping[str, str]] = {
    Sphere.ART: {
        "story": "story stories tale fable cuento historia histoire récit racconto storia conto história geschichte "
        "erzählung märchen рассказ истори сказк повест оповідан казк historii opowiadan opowieść bajk příběh "
        "povíd pohád cerita kisah dongeng truyện chuyện hikaye öykü masal tarina novella történet mese verhaal "
        "berättelse saga ιστορί διήγημα 故事 小说 小說 童话 物語 小説 お話 이야기 소설 قصة حكاية داستان قصه "
        "סיפור कहानी เรื่อง povestea poveste",
        "poem": "poem poetry verse haiku sonnet limerick ballad rhym poema poesía poésie poème poesia gedicht reim стих "
        "поэм рифм вірш wiersz poezj báse puisi pantun sajak thơ şiir runo vers dikt ποίημα 诗 詩 俳句 시를 "
        "قصيدة شعر שיר कविता",
        "song": "song lyric chorus rap ballad canción letra chanson parole canzone música lied songtext песн трек припев "
        "пісн piosenk písnič píseň lagu lirik bài_hát bài_thơ lời şarkı laulu dal nummer låt τραγούδι 歌 노래 "
        "가사 أغنية آهنگ ترانه שיר गीत เพลง",
        "novel": "novel fiction fanfic chapter prologue epilogue novela capítulo chapitre roman capitolo kapitel роман "
        "глав розділ powieś rozdział kapitol román bab novel chương bölüm luku fejezet hoofdstuk 章 第一章 장편 "
        "فصل رواية פרק",
        "character": "character protagonist hero heroine villain antagonist personaj protagonista personnage héros "
        "personaggio figur персонаж геро злоде bohater postac postav tokoh karakter nhân_vật kahraman hahmo "
        "szereplő 角色 人物 主角 キャラ 主人公 캐릭터 주인공 شخصية شخصیت דמות",
        "scene": "scene plot setting dialogue monologue screenplay sketch skit sitcom escena guion guión trama diálogo "
        "scène scénario dialog szene drehbuch scena sceneggiatura cena roteiro сцен сюжет диалог сценар scen "
        "scenariusz naskah adegan kịch_bản senaryo sahne käsikirjoitus jelenet 剧本 劇本 场景 情节 對話 脚本 "
        "シーン 台本 대본 시나리오 장면 سيناريو مشهد دیالوگ תסריט",
        "humour": "joke funny humor comedy satir parod sarcas witty pun chiste gracioso blague drôle witz lustig "
        "barzelletta piada шутк смешн юмор анекдот жарт żart śmieszn vtip lelucon lucu hài_hước şaka komik vitsi "
        "vicc 笑话 幽默 冗談 面白い 농담 نكتة طنز",
        "style": "style tone poetic emotional vivid romantic dramatic dark fantas magic dragon vampire kingdom estilo "
        "tono ton stil стил фэнтези фентез магия романтич gaya phong_cách tarz 风格 風格 文笔 스타일 أسلوب",
        "compose": "write rewrite compose continue invent imagine roleplay pretend escribe escribir redacta écris écrire "
        "rédige scrivi escreva escreve schreib verfass напиши напишите придумай сочини продолжи перепиши "
        "напишіть napisz napište napiš tulis tuliskan buatkan viết yaz kirjoita írj schrijf skriv γράψε 写 寫 "
        "书写 续写 書いて 作って 써줘 작성해 اكتب بنویس כתוב लिखें เขียน",
        "slogan": "slogan tagline headline title caption advert blog speech toast letter essay eslogan título titre "
        "discours lettre carta discurso titolo titel rede brief слоган заголов поздрав тост эссе письм hasło "
        "tytuł przemów judul pidato slogan khẩu_hiệu başlık otsikko 标题 標題 演讲 文案 タイトル 제목 عنوان خطاب",
        "feeling": "love heart kiss death soul dream night girl boy mother friend amor corazón amour cœur cuore coração "
        "liebe herz любов сердц душ девушк парен miłoś serc lásk cinta hati tình_yêu aşk kalp rakkaus szerelem "
        "爱 愛 恋 사랑 حب عشق אהבה",
    },
    Sphere.CODE: {
        "language": "python javascript typescript java cpp csharp golang rust php ruby kotlin swift perl scala haskell lua "
        "bash powershell matlab fortran cobol vba solidity verilog vhdl assembly sql mysql postgres sqlite "
        "mongodb graphql html css scss dart delphi",
        "framework": "django flask fastapi react angular vue svelte nodejs express spring laravel rails dotnet flutter unity "
        "unreal godot pytorch tensorflow keras pandas numpy sklearn jquery bootstrap tailwind wordpress selenium "
        "langchain",
        "program": "code coding script program function algorithm class method library compil código programa función "
        "script fonction algorithme codice funzione função programm funktion код программ функци скрипт алгоритм "
        "програм функці kod funkcj skrypt kód kode fungsi mã lập_trình hàm thuật_toán yazılım fonksiyon koodi "
        "ohjelma kódot κώδικα 代码 代碼 程序 函数 函數 算法 コード プログラム 関数 코드 함수 프로그램 كود برنامج "
        "دالة کد برنامه קוד कोड โค้ด",
        "error": "error bug debug exception traceback crash fix fehler erreur errore erro ошибк исправ помилк błąd napraw "
        "chyb galat perbaiki lỗi sửa hata virhe hiba 错误 報錯 报错 修复 エラー 오류 에러 خطأ خطا שגיאה",
        "data": "database query table json xml csv yaml api endpoint rest request http url schema regex string array "
        "list dict pandas excel spreadsheet vlookup datenbank base_de_datos tabelle таблиц запрос базу_данных "
        "bazy_danych tabel cơ_sở_dữ_liệu veritabanı 数据库 表格 データベース エクセル 데이터베이스 엑셀 قاعدة "
        "بيانات",
        "systems": "server docker kubernetes k8s linux ubuntu debian windows aws azure gcp cloud terraform ansible nginx "
        "apache git github gitlab ssh vpn dns firewall network router ip tcp deploy pipeline install config "
        "container cluster gpu cpu vm proxmox esp32 arduino raspberry сервер установ настро serwer cài_đặt "
        "máy_chủ sunucu palvelin 服务器 サーバ 서버 خادم",
        "interface": "app application website web_page frontend backend button form component widget plugin extension browser "
        "android ios chrome bot telegram discord приложен сайт кнопк бот aplikacj stron aplikasi ứng_dụng "
        "trang_web uygulama sovellus 网站 网页 应用 アプリ サイト 앱 웹 تطبيق موقع",
        "design": "architecture implement class interface refactor unit_test microservice design_pattern deployment async "
        "thread implementa реализ implementier zaimplement 实现 実装 구현",
        "prompting": "llm gpt chatgpt prompt token embedding model rag agent finetun dataset neural train промпт модел "
        "нейросет",
    },
    Sphere.SUMS: {
        "calculate": "calculate compute evaluate determine find calcula calcular calcule calculer calcolare berechn ermittl "
        "вычисл рассчита посчита найди найдите обчисл знайд oblicz wyznacz vypočít spočít hitung tentukan tính "
        "hesapla laske számít bereken räkna beräkna υπολόγισε 计算 計算 求 계산 구하 احسب محاسبه חשב",
        "equation": "equation formula polynomial quadratic inequality root variable logarithm ecuación équation equazione "
        "equação gleichung уравнен формул корен рівнян równan rovnic persamaan phương_trình denklem yhtälö "
        "egyenlet 方程 公式 方程式 방정식 معادلة معادله",
        "proof": "prove proof theorem lemma corollary conjecture demuestra demostrar démontre dimostra beweis докаж "
        "теорем доказат udowodnij dokaž dowód buktikan chứng_minh ispat kanıtla todista bizonyít 证明 定理 證明 "
        "증명 برهن ثابت_کنید",
        "probability": "probability random distribution variance deviation expected sample bayes gaussian probabilidad "
        "probabilité probabilità probabilidade wahrscheinlich вероятност дисперс выборк ймовірн prawdopodob "
        "pravděpod peluang probabilitas xác_suất olasılık todennäköis valószínű 概率 機率 方差 確率 확률 احتمال",
        "geometry": "triangle circle angle radius perimeter area square rectangle volume sphere polygon triángulo círculo "
        "ángulo cercle kreis dreieck winkel triangolo треугольник окружност угол площад радиус trójkąt koło kąt "
        "trojúhelník segitiga lingkaran sudut tam_giác đường_tròn üçgen daire kolmio háromszög 三角形 圆 角 面积 "
        "円 삼각형 원의 مثلث دائرة",
        "calculus": "integral derivative limit differential matrix vector eigenvalue function continuous convergen series "
        "derivada dérivée intégrale ableitung matrix производн интеграл предел матриц pochodn całk macierz "
        "turunan đạo_hàm tích_phân türev 积分 导数 矩阵 微分 積分 行列 적분 미분 تكامل مشتقة",
        "money": "interest_rate loan payment invest profit price cost discount salary tax annual monthly percent "
        "portfolio bond return npv irr interés préstamo intérêt zins kredit процент кредит прибыл стоимост "
        "зарплат odsetk procent bunga pinjaman lãi_suất faiz korko kamat 利率 贷款 利息 利润 利子 이자 فائدة سود",
        "physics": "velocity speed mass force energy distance kg meter metre joule volt ampere mol temperature pressure "
        "velocidad masse vitesse geschwindigkeit скорост масс сил энерги напряжен prędkoś kecepatan massa "
        "vận_tốc hız nopeus 速度 质量 力 속도 سرعة",
        "count": "how_many how_much number sum total average ratio digit integer divisible remainder times older younger "
        "cuántos combien quanti quantos wieviel wie_viele сколько число сумм скільки ile liczb kolik berapa "
        "bao_nhiêu số kaç sayı kuinka_monta hány hoeveel 多少 几个 整数 いくつ 何個 몇 كم چند",
        "algebra": "algebra subgroup homomorphism isomorphi permutation abelian cyclic ring field vertex graph topolog "
        "subspace bijecti countable predicate propositional quantifier álgebra algèbre gruppe алгебр групп граф "
        "代数 群 环 対数",
        "puzzle": "puzzle riddle logic chess sudoku knights liar weigh coin dice card acertijo énigme rätsel indovinello "
        "загадк логик шахмат головолом zagadk hádank teka câu_đố bulmaca 谜题 逻辑 パズル 퍼즐",
        "step": "step_by_step show_your_work final_answer boxed solution paso_a_paso étape schritt пошагов решени решить "
        "решите rozwiąż langkah từng_bước adım 步骤 解答 解く 풀이",
    },
    Sphere.FACTS: {
        "who": "who whose whom quién qui chi quem wer кто хто kto siapa ai kim kuka ki wie 谁 誰 누가 من چه_کسی",
        "when": "when year century cuándo quand quando wann когда коли kiedy kdy kapan khi_nào milloin mikor 何时 哪年 "
        "いつ 언제 متى",
        "where": "where country city capital river located dónde où dove onde wo где де gdzie kde mana ở_đâu nerede missä "
        "hol 哪里 どこ 어디 أين",
        "which": "which following statement true best describes refers known called cuál quel quale welche какой який "
        "który",
        "science": "molecule acid atom electron orbital enzyme protein membrane circuit voltage resistor galaxy planet "
        "regression econometric market demand inflation gdp accounting psycholog ethic anatom clinical",
        "learned": "history law treaty philosoph biolog disease patient theory empire war president court constitution "
        "species cell historia droit recht закон войн prawo hukum luật",
    },
}
"""Stems by sphere and concept, separated by spaces: each is a word's beginning."""

WHOLE = 4
"""Stems shorter than this are whole words."""
LONGEST, LONGEST_UNSPACED = 12, 4

_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+")
"""Runs of scripts that put no spaces between words (Thai, Japanese, Chinese)."""
_SPHERE = {name: sphere for sphere, concepts in CONCEPTS.items() for name in concepts}


Index = Mapping[str, tuple[str, ...]]


def _index() -> tuple[Index, Index, Index]:
    """Whole words and pairs, beginnings of words, and pieces of unspaced scripts, each with its concepts."""
    whole: dict[str, tuple[str, ...]] = {}
    beginnings: dict[str, tuple[str, ...]] = {}
    pieces: dict[str, tuple[str, ...]] = {}
    for concepts in CONCEPTS.values():
        for name, stems in concepts.items():
            for stem in dict.fromkeys(stems.split()):
                short = len(stem) < WHOLE and not "\uac00" <= stem[0] <= "\ud7af"
                kind = pieces if _UNSPACED.match(stem) else whole if "_" in stem or short else beginnings
                key = stem.replace("_", " ")
                kind[key] = (*kind.get(key, ()), name)
    return whole, beginnings, pieces


_WHOLE, _BEGINNINGS, _PIECES = _index()


@lru_cache(maxsize=65_536)
def of_word(word: str) -> tuple[str, ...]:
    """Concepts of a word of lower case: all that begin like it."""
    sizes = range(1, min(len(word), LONGEST) + 1)
    return (*_WHOLE.get(word, ()), *(name for size in sizes for name in _BEGINNINGS.get(word[:size], ())))


def _in_run(run: str) -> set[str]:
    """Concepts anywhere in a run of an unspaced script."""
    pieces = (run[i : i + size] for i in range(len(run)) for size in range(1, LONGEST_UNSPACED + 1))
    return {name for piece in pieces for name in _PIECES.get(piece, ())}


def concepts(text: str, words: Sequence[str]) -> frozenset[str]:
    """Names of the concepts in a text of lower case and its words, and ``sphere:number`` for how many of each sphere."""
    found = {name for word in dict.fromkeys(words) for name in of_word(word)}
    found |= {name for a, b in pairwise(words) for name in _WHOLE.get(f"{a} {b}", ())}
    for run in _UNSPACED.findall(text):
        found |= _in_run(run)
    counts = Counter(_SPHERE[name] for name in found)
    return frozenset(found | {f"{sphere.value}:{min(counts[sphere], MOST)}" for sphere in Sphere})
